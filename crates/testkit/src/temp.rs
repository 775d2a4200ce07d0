use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// A name that no other test of this machine has: process, then a counter.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}_{}",
        process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A new, empty directory, removed with everything in it when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes one below the system's directory for temporary files.
    #[expect(
        clippy::new_without_default,
        reason = "a default that makes a directory surprises"
    )]
    #[must_use]
    pub fn new() -> Self {
        loop {
            let path = env::temp_dir().join(format!("countersign-{}", unique()));
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // Left behind by an earlier process with our id, which was killed.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("no temporary directory {}: {error}", path.display()),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file or directory in it, which need not exist.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A failure leaves rubbish, which is no reason to fail a test that passed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_distinct_and_go_with_their_contents() {
        let (one, two) = (TempDir::new(), TempDir::new());
        assert_ne!(one.path(), two.path());
        fs::create_dir(one.join("inner")).unwrap();
        fs::write(one.join("inner/file"), "x").unwrap();
        let gone = one.path().to_path_buf();
        drop(one);
        assert!(!gone.exists());
        assert!(two.path().exists());
    }
}
