//! libchdb's C interface: the only unsafe code of the store.
//!
//! What the engine promises (its header, version 26.7): handles may be used from any thread, but a connection runs one
//! statement at a time; every result is freed exactly once; an insert stream is never null and freed on every path. Here
//! that becomes ownership: a [`Connection`] is borrowed mutably for as long as a statement runs, and results, cursors and
//! inserts free themselves.

#![expect(unsafe_code, reason = "calls into a C library; each has a SAFETY line")]

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;
use std::{ptr, slice};

/// `chdb_connection`, `chdb_result *`, `chdb_insert_stream`: pointers to what only the engine looks into.
type Opaque = *mut c_void;

/// The functions that are called, and the library they stand in. It is never unloaded: its threads outlive every call.
pub(super) struct Library {
    set_signal_handlers: unsafe extern "C" fn(c_int),
    connect: unsafe extern "C" fn(c_int, *const *const c_char) -> *mut Opaque,
    close: unsafe extern "C" fn(*mut Opaque),
    shutdown: unsafe extern "C" fn() -> c_int,
    classify: unsafe extern "C" fn(Opaque, *const u8, usize, *const u8, usize, *mut RawAnalysis) -> c_int,
    query: WithParameters,
    stream: WithParameters,
    fetch: unsafe extern "C" fn(Opaque, Opaque) -> Opaque,
    cancel: unsafe extern "C" fn(Opaque, Opaque),
    destroy: unsafe extern "C" fn(Opaque),
    insert: WithParameters,
    append: unsafe extern "C" fn(Opaque, *const u8, usize) -> c_int,
    done: unsafe extern "C" fn(Opaque) -> Opaque,
    insert_error: unsafe extern "C" fn(Opaque) -> *const c_char,
    destroy_insert: unsafe extern "C" fn(Opaque),
    error: unsafe extern "C" fn(Opaque) -> *const c_char,
    buffer: unsafe extern "C" fn(Opaque) -> *const u8,
    length: unsafe extern "C" fn(Opaque) -> usize,
    counters: [unsafe extern "C" fn(Opaque) -> u64; 6],
    elapsed: unsafe extern "C" fn(Opaque) -> f64,
}

/// A statement, a format, and named parameters, each with their lengths.
type WithParameters = unsafe extern "C" fn(
    Opaque,
    *const u8,
    usize,
    *const u8,
    usize,
    *const *const u8,
    *const usize,
    *const *const u8,
    *const usize,
    usize,
) -> Opaque;

/// `chdb_query_analysis_v1`.
#[repr(C)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    class: u32,
}

impl Library {
    /// Loads the library at `path` for the life of the process, with the engine's own signal handlers off.
    pub(super) fn load(path: &Path) -> Result<&'static Self, libloading::Error> {
        // SAFETY: loading runs the library's initialisers. Which file is loaded is the operator's choice; an untrusted
        // environment is not asked (see `locate`).
        let library = unsafe { libloading::Library::new(path) }?;
        // SAFETY: names and types are those of the header of the version that is pinned in deploy/libchdb.
        let loaded = unsafe {
            Self {
                set_signal_handlers: *library.get(b"chdb_set_signal_handlers_enabled\0")?,
                connect: *library.get(b"chdb_connect\0")?,
                close: *library.get(b"chdb_close_conn\0")?,
                shutdown: *library.get(b"chdb_shutdown\0")?,
                classify: *library.get(b"chdb_classify_query_n\0")?,
                query: *library.get(b"chdb_query_with_params_n\0")?,
                stream: *library.get(b"chdb_stream_query_with_params_n\0")?,
                fetch: *library.get(b"chdb_stream_fetch_result\0")?,
                cancel: *library.get(b"chdb_stream_cancel_query\0")?,
                destroy: *library.get(b"chdb_destroy_query_result\0")?,
                insert: *library.get(b"chdb_stream_insert_with_params_n\0")?,
                append: *library.get(b"chdb_stream_append\0")?,
                done: *library.get(b"chdb_stream_done\0")?,
                insert_error: *library.get(b"chdb_stream_insert_error\0")?,
                destroy_insert: *library.get(b"chdb_destroy_insert_stream\0")?,
                error: *library.get(b"chdb_result_error\0")?,
                buffer: *library.get(b"chdb_result_buffer\0")?,
                length: *library.get(b"chdb_result_length\0")?,
                counters: [
                    *library.get(b"chdb_result_storage_rows_read\0")?,
                    *library.get(b"chdb_result_storage_bytes_read\0")?,
                    *library.get(b"chdb_result_rows_written\0")?,
                    *library.get(b"chdb_result_bytes_written\0")?,
                    *library.get(b"chdb_result_rows_read\0")?,
                    *library.get(b"chdb_result_bytes_read\0")?,
                ],
                elapsed: *library.get(b"chdb_result_elapsed\0")?,
            }
        };
        std::mem::forget(library);
        // SAFETY: called before the first connection is opened, as the header asks for.
        unsafe { (loaded.set_signal_handlers)(0) };
        Ok(Box::leak(Box::new(loaded)))
    }

    /// Stops the engine once all connections are closed; whether all of its threads have ended. No connection can be
    /// opened afterwards.
    pub(super) fn shut_down(&self) -> bool {
        // SAFETY: may be called from any thread and at any time; with open connections it does nothing.
        unsafe { (self.shutdown)() == 0 }
    }
}

/// What is asked of the engine: a statement, the format its answer or its data has, and values for its `{name:Type}`s.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// SQL, any bytes.
    pub(super) sql: &'a [u8],
    /// Name of a format.
    pub(super) format: &'a str,
    /// Names and values.
    pub(super) parameters: &'a [(Vec<u8>, Vec<u8>)],
}

/// How restricted a statement is, as the engine's parser sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Leaves no trace.
    ReadOnly,
    /// Changes a database.
    Mutating,
    /// Changes what lies beside the databases: functions, users, named collections.
    Global,
    /// Of a session, of the whole engine, or writing outside of it.
    Control,
    /// It did not parse, or the engine has no class for it.
    Unknown,
}

/// What a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Analysis {
    /// How many statements.
    pub(super) statements: u32,
    /// The most restricted class among them.
    pub(super) class: Class,
}

/// A connection: settings, a current database, one statement at a time.
pub(super) struct Connection {
    library: &'static Library,
    handle: NonNull<Opaque>,
}

// SAFETY: the header lets a connection be used from any thread, one statement at a time; `&mut` sees to the latter.
unsafe impl Send for Connection {}

impl Connection {
    /// Opens a connection; the first one starts the engine. `None` when it refuses: why, it only writes to stderr.
    pub(super) fn open(library: &'static Library, arguments: &[CString]) -> Option<Self> {
        let pointers: Vec<*const c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        // SAFETY: `count` NUL-terminated strings, which the call copies.
        let handle = unsafe { (library.connect)(count, pointers.as_ptr()) };
        NonNull::new(handle).map(|handle| Self { library, handle })
    }

    fn raw(&self) -> Opaque {
        // SAFETY: the engine gave a pointer to the connection, and it stays valid until it is closed in `drop`.
        unsafe { *self.handle.as_ptr() }
    }

    /// Says what `sql` would do, without doing it.
    pub(super) fn classify(&mut self, sql: &[u8]) -> Option<Analysis> {
        let mut raw =
            RawAnalysis { struct_size: size_of::<RawAnalysis>() as u32, statement_count: 0, flags: 0, class: 4 };
        // SAFETY: `sql` with its length, no database, and a structure that says how large it is.
        let state =
            unsafe { (self.library.classify)(self.raw(), sql.as_ptr(), sql.len(), ptr::null(), 0, &raw mut raw) };
        let class = match raw.class {
            0 => Class::ReadOnly,
            1 => Class::Mutating,
            2 => Class::Global,
            3 => Class::Control,
            _ => Class::Unknown,
        };
        (state == 0).then_some(Analysis { statements: raw.statement_count, class })
    }

    /// Runs a statement and gives all of its result.
    pub(super) fn query(&mut self, call: Call<'_>) -> Answer {
        // SAFETY: see `with_parameters`; the connection is open.
        let result = unsafe { with_parameters(self.library.query, self.raw(), call) };
        Answer { library: self.library, handle: result }
    }

    /// Begins a SELECT whose result comes in pieces.
    pub(super) fn stream(&mut self, call: Call<'_>) -> Cursor<'_> {
        // SAFETY: see `with_parameters`; the connection is open.
        let result = unsafe { with_parameters(self.library.stream, self.raw(), call) };
        let head = Answer { library: self.library, handle: result };
        Cursor { connection: self, head, ended: false }
    }

    /// Begins an insert: a statement without FORMAT and data, which follow.
    pub(super) fn insert(&mut self, call: Call<'_>) -> Insert<'_> {
        // SAFETY: see `with_parameters`; the connection is open.
        let handle = unsafe { with_parameters(self.library.insert, self.raw(), call) };
        Insert { library: self.library, handle, connection: PhantomData }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by this library, and closed nowhere else. Nothing borrows it any more.
        unsafe { (self.library.close)(self.handle.as_ptr()) };
    }
}

/// Calls `function` with the statement and the parameters of `call`.
///
/// # Safety
/// `function` must be one of the library's that take these arguments, and `connection` an open connection that runs no
/// other statement.
unsafe fn with_parameters(function: WithParameters, connection: Opaque, call: Call<'_>) -> Opaque {
    let (names, values): (Vec<&[u8]>, Vec<&[u8]>) =
        call.parameters.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).unzip();
    let pointers = |texts: &[&[u8]]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
    let lengths = |texts: &[&[u8]]| texts.iter().map(|text| text.len()).collect::<Vec<_>>();
    let (name_pointers, name_lengths) = (pointers(&names), lengths(&names));
    let (value_pointers, value_lengths) = (pointers(&values), lengths(&values));
    // SAFETY: every pointer goes with its length and outlives the call, which copies what it keeps; the arrays have as
    // many entries as is said.
    unsafe {
        function(
            connection,
            call.sql.as_ptr(),
            call.sql.len(),
            call.format.as_ptr(),
            call.format.len(),
            name_pointers.as_ptr(),
            name_lengths.as_ptr(),
            value_pointers.as_ptr(),
            value_lengths.as_ptr(),
            call.parameters.len(),
        )
    }
}

/// What the engine counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) read_rows: u64,
    pub(super) read_bytes: u64,
    pub(super) written_rows: u64,
    pub(super) written_bytes: u64,
    pub(super) result_rows: u64,
    pub(super) result_bytes: u64,
    pub(super) elapsed_ns: u64,
}

/// A result, or a piece of one.
pub(super) struct Answer {
    library: &'static Library,
    handle: Opaque,
}

// SAFETY: a result belongs to no thread.
unsafe impl Send for Answer {}

impl Answer {
    /// The engine's message, when it failed.
    pub(super) fn error(&self) -> Option<String> {
        if self.handle.is_null() {
            return Some("Code: 1002. DB::Exception: the engine gave no result. (UNKNOWN_EXCEPTION)".into());
        }
        // SAFETY: a live result; its message is a NUL-terminated string that lives as long.
        unsafe { text((self.library.error)(self.handle)) }
    }

    /// The bytes of the result.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.handle.is_null() {
            return &[];
        }
        // SAFETY: a live result. Buffer and length belong together and stay as they are until it is freed.
        unsafe {
            let (start, length) = ((self.library.buffer)(self.handle), (self.library.length)(self.handle));
            if start.is_null() || length == 0 { &[] } else { slice::from_raw_parts(start, length) }
        }
    }

    /// What was counted for it; nothing for one that failed.
    pub(super) fn progress(&self) -> Progress {
        if self.error().is_some() {
            return Progress::default();
        }
        // SAFETY: a live result.
        let [read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes] =
            self.library.counters.map(|counter| unsafe { counter(self.handle) });
        // SAFETY: a live result.
        let seconds = unsafe { (self.library.elapsed)(self.handle) };
        Progress {
            read_rows,
            read_bytes,
            written_rows,
            written_bytes,
            result_rows,
            result_bytes,
            elapsed_ns: (seconds * 1e9) as u64,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: given by this library, and freed nowhere else.
            unsafe { (self.library.destroy)(self.handle) };
        }
    }
}

/// A result that comes in pieces. Dropped early, its statement is cancelled.
pub(super) struct Cursor<'a> {
    connection: &'a mut Connection,
    head: Answer,
    ended: bool,
}

impl Cursor<'_> {
    /// Why it did not begin.
    pub(super) fn error(&self) -> Option<String> {
        self.head.error()
    }

    /// The next piece; an empty one is the end.
    pub(super) fn fetch(&mut self) -> Answer {
        let library = self.connection.library;
        // SAFETY: the connection and its own stream, which is freed only with this cursor.
        let handle = unsafe { (library.fetch)(self.connection.raw(), self.head.handle) };
        let piece = Answer { library, handle };
        self.ended = piece.error().is_some() || piece.bytes().is_empty();
        piece
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        if !self.ended && self.head.error().is_none() {
            // SAFETY: as in `fetch`. Cancelling frees nothing; `head` does.
            unsafe { (self.connection.library.cancel)(self.connection.raw(), self.head.handle) };
        }
    }
}

/// An insert under way. Dropped before it is done, it is cancelled.
pub(super) struct Insert<'a> {
    library: &'static Library,
    handle: Opaque,
    connection: PhantomData<&'a mut Connection>,
}

impl Insert<'_> {
    /// Why it failed.
    pub(super) fn error(&self) -> Option<String> {
        // SAFETY: an insert stream is never null; its message is a NUL-terminated string that lives as long.
        unsafe { text((self.library.insert_error)(self.handle)) }
    }

    /// Adds data in the insert's format; whether it was taken. Waits while the engine is behind.
    pub(super) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: a live stream, and bytes with their length, which the call copies.
        unsafe { (self.library.append)(self.handle, data.as_ptr(), data.len()) == 0 }
    }

    /// Ends the data and commits it.
    pub(super) fn done(self) -> Answer {
        // SAFETY: a live stream; finishing does not free it, `drop` does.
        Answer { library: self.library, handle: unsafe { (self.library.done)(self.handle) } }
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: given by this library and freed nowhere else; what is not done is cancelled first.
        unsafe { (self.library.destroy_insert)(self.handle) };
    }
}

/// Ends the process without running the engine's destructors, which can crash while its threads still run.
pub(super) fn exit_at_once(status: u8) -> ! {
    unsafe extern "C" {
        fn _exit(status: c_int) -> !;
    }
    // SAFETY: ends the process; takes a number.
    unsafe { _exit(status.into()) }
}

/// Whether the kernel says that this process has more privileges than its user (`AT_SECURE`), so that its environment
/// must not be trusted.
pub(super) fn is_secure_mode() -> bool {
    const AT_SECURE: c_ulong = 23;
    unsafe extern "C" {
        fn getauxval(kind: c_ulong) -> c_ulong;
    }
    // SAFETY: reads a number from the process's auxiliary vector.
    unsafe { getauxval(AT_SECURE) != 0 }
}

/// The string at `start`, unless that is null.
///
/// # Safety
/// `start` must be null or point to a NUL-terminated string.
unsafe fn text(start: *const c_char) -> Option<String> {
    // SAFETY: what the caller promises.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned())
}
