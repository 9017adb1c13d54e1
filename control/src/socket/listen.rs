//! The socket as a file: who else listens, whose it is, who may open it.
//!
//! The socket is made in a directory that only its owner can enter, and moved to its place when its group and mode are
//! right, so there is no moment at which others can open it. Moving it also replaces one that nobody listens on.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no control socket.
#[derive(Debug)]
pub enum ServeError {
    /// Somebody listens there.
    InUse(PathBuf),
    /// Something that is no socket is there.
    NotASocket(PathBuf),
    /// There is no such group.
    NoGroup(String),
    /// The system refuses.
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "another director listens on {}", path.display()),
            Self::NotASocket(path) => write!(f, "{} exists and is not a socket; remove it", path.display()),
            Self::NoGroup(name) => write!(f, "there is no group {name:?} in /etc/group"),
            Self::Io { doing, path, error } => write!(f, "cannot {doing} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io { error, .. } = self { Some(error) } else { None }
    }
}

/// A socket in its place; removed when dropped, if it is still the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.device_and_inode);
        if ours {
            _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Listens on `path`.
pub(super) fn listen(path: &Path, mode: u32, group: Option<&str>) -> Result<(UnixListener, SocketFile), ServeError> {
    let group = group.map(self::group).transpose()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
    made.map_err(failed("make the directory", parent))?;
    vacant(path)?;
    let nursery = Nursery::new(parent)?;
    let born = nursery.0.join("s");
    let listener = UnixListener::bind(&born).map_err(failed("make a socket for", path))?;
    if let Some(group) = group {
        chown(&born, None, Some(group)).map_err(failed("set the group of", path))?;
    }
    fs::set_permissions(&born, Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
    let device_and_inode = fs::symlink_metadata(&born).map(|found| identity(&found));
    let device_and_inode = device_and_inode.map_err(failed("look at", &born))?;
    fs::rename(&born, path).map_err(failed("put a socket at", path))?;
    Ok((listener, SocketFile { path: path.to_owned(), device_and_inode }))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServeError {
    let path = path.to_owned();
    move |error| ServeError::Io { doing, path, error }
}

/// Whether a director listens on a path.
///
/// # Errors
/// Why no director could.
pub fn taken(path: &Path) -> Result<bool, ServeError> {
    let beyond = path.ancestors().skip(1).find(|above| above.exists());
    if let Some(file) = beyond.filter(|above| !above.is_dir()) {
        return Err(failed("make a directory of", file)(io::ErrorKind::NotADirectory.into()));
    }
    match vacant(path) {
        Ok(()) => Ok(false),
        Err(ServeError::InUse(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Nothing is there, or a socket that nobody listens on.
fn vacant(path: &Path) -> Result<(), ServeError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(ServeError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ServeError::InUse(path.to_owned())),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(error) => Err(failed("find out who listens on", path)(error)),
    }
}

/// A directory that only its owner can enter; gone when dropped.
struct Nursery(PathBuf);

impl Nursery {
    fn new(parent: &Path) -> Result<Self, ServeError> {
        // Short, because the path of a socket must be. A left-over of a process that died has nothing to keep.
        let path = parent.join(format!(".s{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed("make the directory", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The number of a group: itself, or as `/etc/group` has it.
///
/// # Errors
/// That there is no such group.
pub fn group(name: &str) -> Result<u32, ServeError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let path = Path::new("/etc/group");
    let groups = fs::read(path).map_err(failed("read", path))?;
    let groups = String::from_utf8_lossy(&groups);
    let found = groups.lines().find_map(|line| id_in_line(line, name));
    found.ok_or_else(|| ServeError::NoGroup(name.to_owned()))
}

/// `name:password:number:members`
fn id_in_line(line: &str, name: &str) -> Option<u32> {
    let mut fields = line.split(':');
    if fields.next() != Some(name) {
        return None;
    }
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        assert_eq!(id_in_line("wheel:x:10:root", "wheel"), Some(10));
        assert_eq!(id_in_line("wheel:x:10:root", "whee"), None);
        assert_eq!(id_in_line("wheel:x", "wheel"), None);
        assert_eq!(group("1234").unwrap(), 1234);
        assert_eq!(group("root").unwrap(), 0);
        assert!(matches!(group("no such group"), Err(ServeError::NoGroup(_))));
    }
}
