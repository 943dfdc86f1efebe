//! A disk that fails: SQLite's own way to the system's files, with somebody in between who says which operation fails,
//! and who remembers what was synced, so that the power can be cut.
//!
//! It is put before SQLite's own in this process, and concerns itself with the files of the folders that have a
//! [`Disk`]. Of a file's methods it takes the place of those that change something; locks and shared memory stay the
//! system's. A write that fails is a write the system has not done, so what other programs read is what SQLite has.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::Duration;

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::medium::{Change, Medium};

/// The disk below one folder.
pub struct Disk {
    dir: PathBuf,
    state: Mutex<State>,
    closed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Open,
    Write,
    Truncate,
    Sync,
    Delete,
    /// Shared memory grows: the one way to the file `-shm`.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room is left.
    Full,
    /// The device reports an error.
    Error,
    /// Half of a write is done, and then the device reports an error.
    Torn,
    /// The file can be read, and not written.
    ReadOnly,
    /// This operation is not done, and none after it, until the power is back.
    PowerCut,
}

/// Says of each operation, as it comes, whether it fails.
pub type Trouble = Box<dyn FnMut(Kind) -> Option<Fault> + Send>;

struct State {
    trouble: Trouble,
    media: BTreeMap<PathBuf, Medium>,
    is_off: bool,
    /// Files that somebody has open.
    open: usize,
}

static DISKS: Mutex<BTreeMap<PathBuf, Weak<Disk>>> = Mutex::new(BTreeMap::new());
static SYSTEM: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());

impl Disk {
    /// From now on, files that SQLite opens right in this folder are on this disk. It works until it is told otherwise.
    pub fn under(dir: &Path) -> Arc<Disk> {
        stand_before_the_system();
        let dir = dir.canonicalize().unwrap();
        let state = State { trouble: Box::new(|_| None), media: BTreeMap::new(), is_off: false, open: 0 };
        let disk = Arc::new(Disk { dir: dir.clone(), state: Mutex::new(state), closed: Condvar::new() });
        locked(&DISKS).insert(dir, Arc::downgrade(&disk));
        disk
    }

    pub fn is_troubled_by(&self, trouble: impl FnMut(Kind) -> Option<Fault> + Send + 'static) {
        locked(&self.state).trouble = Box::new(trouble);
    }

    pub fn is_well(&self) {
        self.is_troubled_by(|_| None);
    }

    pub fn cut_power(&self) {
        locked(&self.state).is_off = true;
    }

    pub fn is_off(&self) -> bool {
        locked(&self.state).is_off
    }

    /// The power is back. Whoever had files open is gone with it: this waits until they are. Of what was not synced,
    /// `pick` says what is found, as [`Medium::after_power_cut`] asks it.
    pub fn come_back(&self, pick: &mut dyn FnMut(u64) -> u64) {
        const LONG: Duration = Duration::from_secs(60);
        let state = self.closed.wait_timeout_while(locked(&self.state), LONG, |state| state.open > 0);
        let (mut state, waited) = state.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "after a power cut somebody still has {} files open", state.open);
        for (path, medium) in std::mem::take(&mut state.media) {
            let found = medium.after_power_cut(pick);
            put(&path, found.as_deref());
            state.media.insert(path, Medium::holding(found));
        }
        state.is_off = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        locked(&DISKS).remove(&self.dir);
    }
}

fn put(path: &Path, found: Option<&[u8]>) {
    match found {
        Some(bytes) => std::fs::write(path, bytes).unwrap(),
        None => _ = std::fs::remove_file(path),
    }
}

impl State {
    /// Whether an operation is done, and what it says if it is not.
    fn judge(&mut self, kind: Kind) -> Result<(), (Fault, c_int)> {
        let fault = match self.is_off {
            true => Some(Fault::PowerCut),
            false => (self.trouble)(kind),
        };
        self.is_off |= fault == Some(Fault::PowerCut);
        fault.map_or(Ok(()), |fault| Err((fault, code(kind, fault))))
    }

    fn medium(&mut self, path: &Path) -> &mut Medium {
        self.media.entry(path.to_owned()).or_default()
    }
}

fn code(kind: Kind, fault: Fault) -> c_int {
    match (kind, fault) {
        (Kind::Write, Fault::Full) => ffi::SQLITE_FULL,
        (Kind::Write, _) => ffi::SQLITE_IOERR_WRITE,
        (Kind::Open, _) => ffi::SQLITE_CANTOPEN,
        (Kind::Truncate, _) => ffi::SQLITE_IOERR_TRUNCATE,
        (Kind::Sync, _) => ffi::SQLITE_IOERR_FSYNC,
        (Kind::Delete, _) => ffi::SQLITE_IOERR_DELETE,
        (Kind::Map, Fault::Full) => ffi::SQLITE_IOERR_SHMSIZE,
        (Kind::Map, _) => ffi::SQLITE_IOERR_SHMMAP,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is ours about an open file. It lies behind the system's own part, whose methods then need not know.
struct Seat {
    disk: Arc<Disk>,
    path: PathBuf,
    /// The first sync of a new journal makes its folder durable too: which names are there, and which are gone.
    syncs_folder: Cell<bool>,
    system: *const sqlite3_io_methods,
    methods: sqlite3_io_methods,
}

/// Registers a copy of the system's VFS, in which opening and deleting are ours, as the one SQLite uses by default.
fn stand_before_the_system() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default VFS is there as soon as SQLite is, for as long as the process. Its methods take whichever
        // `sqlite3_vfs` they are called with for a table of settings, and our copy has the same. It is never freed.
        unsafe {
            // SQLite counts its memory under one lock for all: worlds that run side by side would wait for each other.
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0);
            let system = ffi::sqlite3_vfs_find(std::ptr::null());
            SYSTEM.store(system, Ordering::Release);
            let ours = Box::leak(Box::new(std::ptr::read(system)));
            ours.zName = c"failing".as_ptr();
            ours.pNext = std::ptr::null_mut();
            ours.szOsFile = seat_at(system) as c_int + size_of::<*mut Seat>() as c_int;
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(ours, 1), ffi::SQLITE_OK);
        }
    });
}

fn system() -> *mut sqlite3_vfs {
    SYSTEM.load(Ordering::Acquire)
}

/// Where in the memory of an open file our part begins.
///
/// # Safety
/// `system` is the system's VFS.
unsafe fn seat_at(system: *mut sqlite3_vfs) -> usize {
    // SAFETY: as above.
    let theirs = unsafe { (*system).szOsFile } as usize;
    theirs.next_multiple_of(align_of::<*mut Seat>())
}

/// # Safety
/// `file` is memory SQLite made for an open file: of the size we asked for.
unsafe fn seat_of(file: *mut sqlite3_file) -> *mut *mut Seat {
    // SAFETY: as above, so the seat is within it.
    unsafe { file.byte_add(seat_at(system())).cast() }
}

/// # Safety
/// `file` has been opened by [`open`] on a disk of ours, and is not closed.
unsafe fn seat<'a>(file: *mut sqlite3_file) -> (&'a Seat, &'a sqlite3_io_methods) {
    // SAFETY: `open` has put a seat there, with the system's methods in it, and only `close` takes it away.
    unsafe {
        let seat = &**seat_of(file);
        (seat, &*seat.system)
    }
}

/// # Safety
/// `name` is null or a text that ends with a zero.
unsafe fn on_a_disk(name: *const c_char) -> Option<(Arc<Disk>, PathBuf)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as above.
    let path = PathBuf::from(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
    let disk = locked(&DISKS).get(path.parent()?)?.upgrade()?;
    Some((disk, path))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    mut flags: c_int,
    opened: *mut c_int,
) -> c_int {
    let system = system();
    // SAFETY: SQLite calls this with a name and memory as it would the system's own, which get them unchanged. What is
    // written behind the system's part of `file` is within the size we asked for.
    unsafe {
        let Some((disk, path)) = on_a_disk(name) else {
            return (*system).xOpen.unwrap()(system, name, file, flags, opened);
        };
        let mut state = locked(&disk.state);
        match state.judge(Kind::Open) {
            Err((Fault::ReadOnly, _)) => flags = (flags & !READ_WRITE) | ffi::SQLITE_OPEN_READONLY,
            Err((_, code)) => {
                (*file).pMethods = std::ptr::null();
                return code;
            }
            Ok(()) => {}
        }
        // Not once it is open: a file that is closed takes this process's locks on it along.
        state.media.entry(path.clone()).or_insert_with(|| Medium::holding(std::fs::read(&path).ok()));
        let code = (*system).xOpen.unwrap()(system, name, file, flags, opened);
        if code == ffi::SQLITE_OK {
            state.open += 1;
            drop(state);
            let is_new_journal = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & JOURNALS != 0;
            let (system, syncs_folder) = ((*file).pMethods, Cell::new(is_new_journal));
            sit_down(file, Seat { disk, path, syncs_folder, system, methods: ours(&*system) });
        }
        code
    }
}

const READ_WRITE: c_int = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE;
const JOURNALS: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;

/// The system's methods, with ours in the place of those that change something.
fn ours(system: &sqlite3_io_methods) -> sqlite3_io_methods {
    sqlite3_io_methods {
        // The third version reads through a mapping of the file, past us.
        iVersion: 2,
        xClose: Some(close),
        xWrite: Some(write),
        xTruncate: Some(truncate),
        xSync: Some(sync),
        xShmMap: Some(map),
        ..*system
    }
}

/// # Safety
/// `file` was opened by the system a moment ago, in memory of the size we asked for.
unsafe fn sit_down(file: *mut sqlite3_file, seat: Seat) {
    // SAFETY: as above. The methods stay where they are until the file is closed, because the box does.
    unsafe {
        let seat = Box::leak(Box::new(seat));
        (*file).pMethods = &seat.methods;
        seat_of(file).write(seat);
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; nobody has the seat after that.
    unsafe {
        let seat = Box::from_raw(*seat_of(file));
        let code = (*seat.system).xClose.unwrap()(file);
        locked(&seat.disk.state).open -= 1;
        seat.disk.closed.notify_all();
        code
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, len: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this for an open file, with `len` readable bytes at `from`.
    unsafe {
        let (seat, system) = seat(file);
        let mut state = locked(&seat.disk.state);
        let (len, verdict) = match state.judge(Kind::Write) {
            Ok(()) => (len, ffi::SQLITE_OK),
            Err((Fault::Torn, code)) => (len / 2, code),
            Err((_, code)) => return code,
        };
        let code = system.xWrite.unwrap()(file, from, len, at);
        if code != ffi::SQLITE_OK {
            return code;
        }
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), len as usize).to_vec();
        state.medium(&seat.path).note(Change::Write { at: at as usize, bytes });
        verdict
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    unsafe {
        let (seat, system) = seat(file);
        let mut state = locked(&seat.disk.state);
        if let Err((_, code)) = state.judge(Kind::Truncate) {
            return code;
        }
        let code = system.xTruncate.unwrap()(file, len);
        if code == ffi::SQLITE_OK {
            state.medium(&seat.path).note(Change::Truncate(len as usize));
        }
        code
    }
}

/// The medium is in this process's memory: nothing real needs to be synced.
unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite calls this for an open file.
    let (seat, _) = unsafe { seat(file) };
    let mut state = locked(&seat.disk.state);
    match state.judge(Kind::Sync) {
        Ok(()) => {
            if bursar::ledger::was_written_again(&seat.path) {
                state.medium(&seat.path).written_again();
            }
            state.medium(&seat.path).sync();
            if seat.syncs_folder.take() {
                state.media.values_mut().for_each(Medium::sync_folder);
            }
        }
        Err((Fault::PowerCut, code)) => return code,
        Err((_, code)) => {
            state.medium(&seat.path).sync_failed();
            return code;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    mapped: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls this for an open file, and the system's own method gets what we got.
    unsafe {
        let (seat, system) = seat(file);
        if let Err((_, code)) = locked(&seat.disk.state).judge(Kind::Map) {
            mapped.write(std::ptr::null_mut());
            return code;
        }
        system.xShmMap.unwrap()(file, page, size, extend, mapped)
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let system = system();
    // SAFETY: SQLite calls this with a name as it would the system's own, which gets it unchanged.
    unsafe {
        let Some((disk, path)) = on_a_disk(name) else { return (*system).xDelete.unwrap()(system, name, sync) };
        let mut state = locked(&disk.state);
        if let Err((_, code)) = state.judge(Kind::Delete) {
            return code;
        }
        let code = (*system).xDelete.unwrap()(system, name, sync);
        if code == ffi::SQLITE_OK {
            state.medium(&path).note(Change::Delete);
        }
        if sync != 0 {
            state.medium(&path).sync_folder();
        }
        code
    }
}
