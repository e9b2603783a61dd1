//! How is the file of the store opened, and what is wrong if it cannot be?
//!
//! Nothing is ever deleted. A store that is damaged is moved aside under a name that says so; a file that was never a
//! store is left alone.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rules::bgp::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;

/// How long another program may hold the file before it counts as unavailable: alerts wait no longer for it.
const BUSY: Duration = Duration::from_millis(250);
/// The log of what is not in the file yet goes back to this size after something large, such as a checkpoint.
const LOG_BYTES: i64 = 64 * 1_024 * 1_024;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where [`schema::APPLICATION_ID`] stands in the header.
const ID_AT: usize = 68;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    /// Gone with the process.
    Memory,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory => f.write_str(":memory:"),
        }
    }
}

/// One store, to which several connections lead.
#[derive(Clone, Debug)]
pub struct Spot {
    pub location: Location,
    /// Under which name connections meet that share it in memory.
    memory: Arc<str>,
}

impl Spot {
    pub fn new(location: Location) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { location, memory: format!("file:/bgpwarden-{number}?vfs=memdb").into() }
    }
}

/// Why the store cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("\"{0}\" is in use by another bgpwarden; stop that one, or give this one a store.path of its own")]
    InUse(String),
    #[error("\"{0}\" is locked by another program; close what has it open, it goes on by itself")]
    Locked(String),
    #[error("no space for \"{0}\"; free some, it goes on by itself")]
    Full(String),
    #[error("\"{0}\" is damaged: {1}")]
    Damaged(String, String),
    #[error("\"{0}\" is not a store of bgpwarden and is left alone; set store.path to another file")]
    NotOurs(String),
    #[error("\"{0}\" was written by a newer bgpwarden (version {1}, this one knows {known}); use that one, or another \
             store.path", known = schema::VERSION)]
    Newer(String, i64),
    #[error("cannot use \"{0}\": {1}; check the path and its permissions")]
    Unusable(String, String),
    #[error("too much is asked of \"{0}\" at once; ask again later")]
    Busy(String),
    #[error("finding it in \"{0}\" takes too long; ask for less, as for a shorter time")]
    TooMuch(String),
}

impl Problem {
    /// Puts what SQLite says into words.
    pub fn of(location: &Location, error: &rusqlite::Error) -> Self {
        let name = location.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(name),
            Some(ErrorCode::DiskFull) => Self::Full(name),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(name, error.to_string()),
            Some(ErrorCode::OperationInterrupted) => Self::TooMuch(name),
            _ => Self::Unusable(name, error.to_string()),
        }
    }

    fn io(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull => Self::Full(path.display().to_string()),
            _ => Self::Unusable(path.display().to_string(), error.to_string()),
        }
    }
}

/// An open store; nobody else writes to it while this lives.
pub struct Opened {
    pub connection: Connection,
    /// Where a damaged predecessor was moved to.
    pub moved_aside: Option<PathBuf>,
    _lock: Option<File>,
}

/// Opens the store, makes it if it is not there, moves a damaged one aside; `is_damaged` if it was found to be.
/// `now` dates what is written.
pub fn open(spot: &Spot, now: Timestamp, is_damaged: bool) -> Result<Opened, Problem> {
    let location = &spot.location;
    let Location::File(path) = location else {
        let connection = Connection::open(&*spot.memory).map_err(|error| Problem::of(location, &error))?;
        return Ok(Opened { connection: prepare(connection, location, now)?, moved_aside: None, _lock: None });
    };
    let lock = lock(path)?;
    let opened = match is_damaged {
        true => Err(Problem::Damaged(location.to_string(), "it was found to be".to_owned())),
        false => open_file(path, location, now),
    };
    let (connection, moved_aside) = match opened {
        Err(Problem::Damaged(name, what)) => {
            let aside = move_aside(path, now).map_err(|error| {
                Problem::Damaged(name.clone(), format!("{what}, and cannot be moved aside: {error}; move it yourself"))
            })?;
            (open_file(path, location, now)?, Some(aside))
        }
        other => (other?, None),
    };
    Ok(Opened { connection, moved_aside, _lock: Some(lock) })
}

/// Opens it beside whoever writes to it.
pub fn open_to_read(spot: &Spot) -> Result<Connection, Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = match &spot.location {
        Location::File(path) => Connection::open_with_flags(path, flags & !OpenFlags::SQLITE_OPEN_URI),
        Location::Memory => Connection::open_with_flags(&*spot.memory, flags),
    };
    let prepared = connection.and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    });
    prepared.map_err(|error| Problem::of(&spot.location, &error))
}

/// One process at a time: two would both deliver what waits. The lock goes with the process, however it ends.
fn lock(path: &Path) -> Result<File, Problem> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Problem::io(path, &error))?;
    }
    let lock = File::options().create(true).truncate(false).write(true).open(beside(path, ".lock"));
    let lock = lock.map_err(|error| Problem::io(path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Problem::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(Problem::io(path, &error)),
    }
}

fn open_file(path: &Path, location: &Location, now: Timestamp) -> Result<Connection, Problem> {
    match whose(path).map_err(|error| Problem::io(path, &error))? {
        Whose::Nobodys | Whose::Ours => {}
        Whose::AnotherPrograms => return Err(Problem::NotOurs(path.display().to_string())),
    }
    let connection = Connection::open(path).map_err(|error| Problem::of(location, &error))?;
    prepare(connection, location, now)
}

fn prepare(mut connection: Connection, location: &Location, now: Timestamp) -> Result<Connection, Problem> {
    let mut prepare = || {
        connection.busy_timeout(BUSY)?;
        let version = schema::version(&connection)?;
        if version == 0 {
            // Before there is a log, so that the header says whose it is from the first moment on.
            connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What is confirmed to the desk survives a power cut, too.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        if version <= schema::VERSION {
            schema::migrate(&mut connection, now.0)?;
        }
        Ok(version)
    };
    match prepare() {
        Ok(version) if version > schema::VERSION => Err(Problem::Newer(location.to_string(), version)),
        Ok(_) => Ok(connection),
        Err(error) => Err(Problem::of(location, &error)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Not there, or empty.
    Nobodys,
    Ours,
    AnotherPrograms,
}

/// Reads the header only, so that even a damaged store is known as one.
fn whose(path: &Path) -> std::io::Result<Whose> {
    let mut header = [0; ID_AT + 4];
    let read = match File::open(path) {
        Ok(mut file) => read_up_to(&mut file, &mut header)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Whose::Nobodys),
        Err(error) => return Err(error),
    };
    if read == 0 {
        return Ok(Whose::Nobodys);
    }
    if read < header.len() || !header.starts_with(MAGIC) {
        return Ok(Whose::AnotherPrograms);
    }
    if header[ID_AT..] == schema::APPLICATION_ID.to_be_bytes() {
        return Ok(Whose::Ours);
    }
    Ok(whose_by_asking(path).unwrap_or(Whose::AnotherPrograms))
}

/// After a kill the header may be in the log only.
fn whose_by_asking(path: &Path) -> rusqlite::Result<Whose> {
    let connection = Connection::open(path)?;
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (id, tables) {
        (schema::APPLICATION_ID, _) => Whose::Ours,
        (_, 0) => Whose::Nobodys,
        _ => Whose::AnotherPrograms,
    })
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            n => read += n,
        }
    }
    Ok(read)
}

/// Renames the file and its log; gives the new name.
fn move_aside(path: &Path, now: Timestamp) -> std::io::Result<PathBuf> {
    let name = |attempt: u32| match attempt {
        0 => beside(path, &format!(".damaged-{}", now.compact())),
        n => beside(path, &format!(".damaged-{}-{n}", now.compact())),
    };
    let aside = (0..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0));
    fs::rename(path, &aside)?;
    for log in ["-wal", "-shm"] {
        match fs::rename(beside(path, log), beside(&aside, log)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// `path` with something added to its name.
fn beside(path: &Path, added: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(added);
    name.into()
}

/// Bytes on disk, or in memory.
pub fn bytes(location: &Location, connection: &Connection) -> u64 {
    match location {
        Location::File(path) => {
            let size = |path: PathBuf| fs::metadata(path).map_or(0, |data| data.len());
            size(path.clone()) + size(beside(path, "-wal"))
        }
        Location::Memory => {
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap_or(0);
            (pragma("page_count") * pragma("page_size")).unsigned_abs()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_772_334_242_000_000);

    fn at(folder: &tempfile::TempDir) -> (Spot, PathBuf) {
        let path = folder.path().join("bgpwarden.db");
        (Spot::new(Location::File(path.clone())), path)
    }

    fn problem(location: &Spot) -> Problem {
        open(location, NOW, false).err().expect("a problem")
    }

    #[test]
    fn folders_on_the_way_are_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b/bgpwarden.db");
        let opened = open(&Spot::new(Location::File(path.clone())), NOW, false).expect("opened");
        assert!(opened.moved_aside.is_none() && path.exists());
        assert!(bytes(&Location::File(path), &opened.connection) > 0);
    }

    #[test]
    fn a_second_process_is_told_who_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (location, _) = at(&folder);
        let first = open(&location, NOW, false).expect("opened");
        assert!(matches!(problem(&location), Problem::InUse(_)));
        drop(first);
        open(&location, NOW, false).expect("free again");
    }

    #[test]
    fn a_damaged_store_is_moved_aside_whole_and_a_new_one_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let (location, path) = at(&folder);
        drop(open(&location, NOW, false).expect("opened"));
        let mut damaged = fs::read(&path).expect("bytes");
        damaged[100..4_000].fill(0xAA);
        fs::write(&path, &damaged).expect("written");
        let aside = open(&location, NOW, false).expect("opened").moved_aside.expect("it was damaged");
        assert_eq!(fs::read(&aside).expect("still there"), damaged);
        assert!(aside.to_string_lossy().ends_with("bgpwarden.db.damaged-20260301T030402Z"), "{}", aside.display());
        assert!(open(&location, NOW, false).expect("opened").moved_aside.is_none());
    }

    #[test]
    fn what_was_never_a_store_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (location, path) = at(&folder);
        fs::write(&path, "my notes").expect("written");
        assert!(matches!(problem(&location), Problem::NotOurs(_)));
        assert_eq!(fs::read_to_string(&path).expect("text"), "my notes");
        fs::remove_file(&path).expect("removed");
        Connection::open(&path).and_then(|c| c.execute_batch("CREATE TABLE mine (a)")).expect("another program");
        assert!(matches!(problem(&location), Problem::NotOurs(_)));
    }

    #[test]
    fn a_file_of_a_newer_program_is_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let (location, _) = at(&folder);
        let opened = open(&location, NOW, false).expect("opened");
        opened.connection.execute("INSERT INTO migrations VALUES (99, 'later', 0)", []).expect("a row");
        drop(opened);
        let said = problem(&location).to_string();
        assert!(said.contains("version 99") && said.contains("another store.path"), "{said}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let said = problem(&Spot::new(Location::File(file.path().join("bgpwarden.db")))).to_string();
        assert!(said.contains("bgpwarden.db\"") && said.contains("check the path"), "{said}");
    }
}
