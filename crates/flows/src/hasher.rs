//! Password hashing on a bounded number of threads, with a bounded queue before them.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use countersign_core::password::{ExposeSecret, Password};
use countersign_core::phc::{self, Cost, HashError, Workspace};
use tokio::sync::Semaphore;

use crate::FlowError;

/// Makes and checks password hashes. Memory is bounded by threads times cost, waiting by the queue.
pub struct Hasher {
    cost: Cost,
    /// How many hashes can be made at a time without being refused.
    width: usize,
    threads: Arc<Semaphore>,
    resting: Arc<Resting>,
    waiting: Arc<AtomicUsize>,
    waiting_to_register: Arc<AtomicUsize>,
    queue: usize,
    /// What is verified for users who do not exist, so that they take as long as those who do.
    dummy: String,
    started: AtomicUsize,
}

/// What a hash is for: new accounts get a quarter of the queue, so that a flood of them cannot keep
/// people from signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A sign-in or a change to an account.
    SignIn,
    /// A new account.
    Registration,
}

impl Hasher {
    /// Starts with `threads` hashes at a time and at most `queue` waiting.
    ///
    /// # Errors
    /// [`HashError::Cost`] where Argon2 does not allow the cost.
    pub fn new(cost: Cost, threads: usize, queue: usize) -> Result<Self, HashError> {
        Ok(Self {
            cost,
            width: threads.min(queue).max(1),
            threads: Arc::new(Semaphore::new(threads.max(1))),
            resting: Arc::new(Resting {
                after: REST,
                workspaces: Mutex::default(),
            }),
            waiting: Arc::default(),
            waiting_to_register: Arc::default(),
            queue,
            dummy: phc::nobody(cost)?,
            started: AtomicUsize::new(0),
        })
    }

    /// The same, giving memory back after another time than ten seconds without a hash.
    #[must_use]
    pub fn resting_for(mut self, after: Duration) -> Self {
        self.resting = Arc::new(Resting {
            after,
            workspaces: Mutex::default(),
        });
        self
    }

    /// How many workspaces are kept for hashes to come.
    pub fn resting(&self) -> usize {
        self.resting.lock().1.len()
    }

    /// Whether `password` is the one that `stored` was made from. With nothing stored the work is
    /// done all the same, and the answer is no.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&str>,
    ) -> Result<bool, FlowError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or(&self.dummy).to_owned();
        let password = password.clone();
        let right = self
            .run(Purpose::SignIn, move |workspace| {
                workspace.verify(password.expose_secret().as_bytes(), &stored)
            })
            .await?;
        Ok(known && right)
    }

    /// Hashes a new password.
    pub async fn hash(
        &self,
        password: &Password,
        salt: [u8; 16],
        purpose: Purpose,
    ) -> Result<String, FlowError> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(purpose, move |workspace| {
            workspace.hash(password.expose_secret().as_bytes(), &salt, cost)
        })
        .await
    }

    /// Hashes many passwords, each with its salt, as fast as the threads allow.
    pub async fn hash_all(
        &self,
        passwords: &[(Password, [u8; 16])],
    ) -> Result<Vec<String>, FlowError> {
        let mut hashes = Vec::with_capacity(passwords.len());
        for some in passwords.chunks(self.width) {
            let under_way = some
                .iter()
                .map(|(password, salt)| self.hash(password, *salt, Purpose::SignIn));
            for hash in all(under_way).await {
                hashes.push(hash?);
            }
        }
        Ok(hashes)
    }

    /// What one of our own hashes costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether a hash was made at another cost than is configured now.
    pub fn is_outdated(&self, stored: &str) -> bool {
        self.cost.differs_from(stored)
    }

    /// How many hashes were begun. That two refusals take the same time is tested by this count.
    pub fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    /// How many hashes wait or are under way.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    async fn run<T: Send + 'static>(
        &self,
        purpose: Purpose,
        work: impl FnOnce(&mut Workspace) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, FlowError> {
        let place = Place::take(&self.waiting, self.queue)?;
        let register_place = match purpose {
            Purpose::SignIn => None,
            Purpose::Registration => {
                let quarter = (self.queue / 4).max(1);
                Some(Place::take(&self.waiting_to_register, quarter)?)
            }
        };
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(|_| FlowError::Unavailable)?;
        self.started.fetch_add(1, Ordering::SeqCst);
        let (resting, cost) = (Arc::clone(&self.resting), self.cost);
        let done = tokio::task::spawn_blocking(move || {
            // A client who hangs up drops the request, but not a hash that has begun: it keeps its
            // thread until it is done, or hanging up would buy any number of them.
            let _held = (place, register_place, thread);
            let mut workspace = resting.take();
            let result = work(&mut workspace);
            workspace.shrink_to(cost);
            resting.put(workspace);
            result
        });
        done.await
            .map_err(|_| FlowError::Internal("a hashing thread failed".to_owned()))?
            .map_err(|error| FlowError::Internal(error.to_string()))
    }
}

/// How long a workspace is kept without use. Logins come in waves, and an idle server should be a
/// small one.
const REST: Duration = Duration::from_secs(10);

/// Workspaces between two hashes.
struct Resting {
    after: Duration,
    /// How many were ever put down, and those that are there, each with its number.
    workspaces: Mutex<(u64, Vec<(u64, Workspace)>)>,
}

impl Resting {
    fn lock(&self) -> MutexGuard<'_, (u64, Vec<(u64, Workspace)>)> {
        self.workspaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The one used last, so that what a wave of logins brought beyond the usual comes to rest.
    fn take(&self) -> Workspace {
        let last = self.lock().1.pop();
        last.map(|(_, workspace)| workspace).unwrap_or_default()
    }

    /// Puts one down, and gives it back to the system if nobody takes it up in time.
    fn put(self: &Arc<Self>, workspace: Workspace) {
        let mine = {
            let mut lock = self.lock();
            let (count, workspaces) = &mut *lock;
            *count += 1;
            workspaces.push((*count, workspace));
            *count
        };
        let resting = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(resting.after).await;
            resting.lock().1.retain(|(number, _)| *number != mine);
        });
    }
}

/// Drives futures together, and answers in their order.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut under_way: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in under_way.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                *output = Some(done);
            }
        }
        match under_way.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    under_way
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// A place in the queue, given up when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(counter: &Arc<AtomicUsize>, bound: usize) -> Result<Self, FlowError> {
        if counter.fetch_add(1, Ordering::SeqCst) >= bound {
            counter.fetch_sub(1, Ordering::SeqCst);
            return Err(FlowError::Busy {
                retry_after: Duration::from_secs(2),
            });
        }
        Ok(Self(Arc::clone(counter)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
