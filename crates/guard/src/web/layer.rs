//! A whole router behind a guard.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};

use super::{Authenticated, identify, identify_now};
use crate::{Guard, Refusal};

/// Lets nobody pass without a good token, and whatever else is demanded. Handlers behind it find
/// [`Authenticated`] in the request's extensions; where they take it as an argument, the token is
/// not checked again. [`Guard::layer`] makes one.
#[derive(Clone, Debug)]
pub struct Layer {
    guard: Guard,
    role: Option<Arc<str>>,
    scope: Option<Arc<str>>,
    fresh: bool,
}

impl Layer {
    pub(super) fn new(guard: Guard) -> Self {
        Self {
            guard,
            role: None,
            scope: None,
            fresh: false,
        }
    }

    /// Demands this role, too.
    #[must_use]
    pub fn require_role(self, role: &str) -> Self {
        Self {
            role: Some(role.into()),
            ..self
        }
    }

    /// Demands this scope, too.
    #[must_use]
    pub fn require_scope(self, scope: &str) -> Self {
        Self {
            scope: Some(scope.into()),
            ..self
        }
    }

    /// Demands a token straight from a password, too.
    #[must_use]
    pub fn require_fresh(self) -> Self {
        Self {
            fresh: true,
            ..self
        }
    }

    /// Whether the request may pass, where that is known without waiting: nearly always. Then it has
    /// its [`Authenticated`].
    fn admit_now(&self, request: &mut Request) -> Option<Result<(), Refusal>> {
        let found = identify_now(&self.guard, request)?;
        Some(found.and_then(|found| {
            let user = self.permit(found)?;
            request.extensions_mut().insert(user);
            Ok(())
        }))
    }

    async fn admit(&self, request: Request) -> Result<Request, Refusal> {
        let (mut parts, body) = request.into_parts();
        let user = self.permit(identify(&self.guard, &parts).await?)?;
        parts.extensions.insert(user);
        Ok(Request::from_parts(parts, body))
    }

    fn permit(&self, found: Option<Authenticated>) -> Result<Authenticated, Refusal> {
        let user = found.ok_or(Refusal::Missing)?;
        if let Some(role) = &self.role {
            user.require_role(role)?;
        }
        if let Some(scope) = &self.scope {
            user.require_scope(scope)?;
        }
        if self.fresh {
            user.require_fresh()?;
        }
        Ok(user)
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Service<S>;

    fn layer(&self, inner: S) -> Service<S> {
        Service {
            layer: self.clone(),
            inner,
        }
    }
}

/// A service behind a [`Layer`].
#[derive(Clone, Debug)]
pub struct Service<S> {
    layer: Layer,
    inner: S,
}

impl<S> tower::Service<Request> for Service<S>
where
    S: tower::Service<Request> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.layer.admit_now(&mut request) {
            Some(Ok(())) => {
                let answer = self.inner.call(request);
                Box::pin(async move { answer.await.map(IntoResponse::into_response) })
            }
            Some(Err(refusal)) => Box::pin(async move { Ok(refusal.into_response()) }),
            None => {
                // The one that is ready is the one to be called; the clone takes its place.
                let clone = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, clone);
                let layer = self.layer.clone();
                Box::pin(async move {
                    match layer.admit(request).await {
                        Ok(request) => inner.call(request).await.map(IntoResponse::into_response),
                        Err(refusal) => Ok(refusal.into_response()),
                    }
                })
            }
        }
    }
}
