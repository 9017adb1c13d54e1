//! The directories in which DPDK keeps the files of each process: whose they are, and when they go.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::rand::{GetRandomFlags, getrandom};

/// What a directory of ours is called: this, the process id, and something that no other process of that id has.
const OURS: &str = "sluice-";

/// A directory that is younger may be of a director that has not locked it yet.
const YOUNG: Duration = Duration::from_secs(5);

/// A name for the files of this process.
pub(super) fn fresh_prefix() -> String {
    let mut random = [0; 4];
    // Without chance the name is still one of this process.
    let _ = getrandom(&mut random, GetRandomFlags::NONBLOCK);
    format!("{OURS}{}-{:08x}", process::id(), u32::from_ne_bytes(random))
}

/// Whether a name is one that [`fresh_prefix`] gives.
fn is_ours(name: &str) -> bool {
    let Some((id, random)) = name.strip_prefix(OURS).and_then(|rest| rest.split_once('-')) else { return false };
    id.parse::<u32>().is_ok() && random.len() == 8 && u32::from_str_radix(random, 16).is_ok()
}

/// Files of this process alone, removed at the end; DPDK leaves them.
#[derive(Debug)]
pub(super) struct RuntimeDirectory(Option<PathBuf>);

impl RuntimeDirectory {
    /// The directory of DPDK, if it has the name that we gave it: what it names is going to be removed, and extra
    /// arguments may have changed it.
    pub(super) fn of(prefix: &str, directory: Option<PathBuf>) -> Self {
        Self(directory.filter(|path| is_ours(prefix) && path.file_name().is_some_and(|name| name == prefix)))
    }

    /// Removes what killed processes left beside it.
    pub(super) fn sweep(&self) {
        let beside = self.0.as_deref().and_then(Path::parent).and_then(|all| fs::read_dir(all).ok());
        for entry in beside.into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if self.0.as_ref() != Some(&path) && name.to_str().is_some_and(is_ours) {
                remove_dead(&path);
            }
        }
    }
}

/// Removes the directory of a process that is gone. As long as it lives it holds DPDK's lock on its configuration, which
/// is seen from everywhere, as its process id is not.
fn remove_dead(directory: &Path) {
    let age = fs::metadata(directory).and_then(|known| known.modified()).ok().and_then(|since| since.elapsed().ok());
    if age.is_none_or(|age| age < YOUNG) {
        return;
    }
    let dead = match File::options().read(true).write(true).open(directory.join("config")) {
        Ok(config) => fcntl_lock(&config, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // What keeps no configuration there (`--in-memory`) keeps nothing there.
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if dead {
        // Another process may be sweeping, too.
        let _ = fs::remove_dir_all(directory);
    }
}

impl Drop for RuntimeDirectory {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            // Nothing depends on it: nobody else uses it.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_name_of_ours_is_removed() {
        assert!(is_ours(&fresh_prefix()));
        for name in ["sluice-lab", "sluice-17-lab", "sluice-1-", "sluice-x-01234567", "sluice-1-0123456789", "rte"] {
            assert!(!is_ours(name), "{name}");
        }
        let other = RuntimeDirectory::of("rte", Some("/var/run/dpdk/rte".into()));
        assert_eq!(other.0, None);
    }
}
