//! The SQLite database of valid paths: Nix's, schema version 10.
//!
//! The schema is shared with Nix, which may have the same database open, so
//! tables, indices and triggers are those that Nix makes, and paths are stored as
//! absolute logical paths. Hashes are `sha256:<base 16>`, signatures are
//! separated by spaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use saltire_store_model::{ContentAddress, Hash, PathInfo, StoreDir, StorePath};

use crate::error::{Context, Result, StoreError};
use crate::locks::{LockKind, Wait, lock_file, open_lock_file};

/// The schema version that this program reads and writes.
pub const SCHEMA_VERSION: u32 = 10;

const SCHEMA: &str = "
create table if not exists ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer,
    ultimate         integer,
    sigs             text,
    ca               text
);
create table if not exists Refs (
    referrer  integer not null,
    reference integer not null,
    primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);
create index if not exists IndexReferrer on Refs(referrer);
create index if not exists IndexReference on Refs(reference);
create trigger if not exists DeleteSelfRefs before delete on ValidPaths
  begin
    delete from Refs where referrer = old.id and reference = old.id;
  end;
create table if not exists DerivationOutputs (
    drv  integer not null,
    id   text not null,
    path text not null,
    primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);
create index if not exists IndexDerivationOutputs on DerivationOutputs(path);
";

const COLUMNS: &str = "id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca";

/// How long to wait for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3600);

/// A path to be registered.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What is known about it. A registration time of 0 means now.
    pub info: PathInfo,
    /// For a `.drv` file, the outputs whose paths are known.
    pub derivation_outputs: BTreeMap<String, StorePath>,
}

pub(crate) struct Database {
    connection: Connection,
    path: PathBuf,
    store_dir: StoreDir,
    /// Locked shared while the database is in use; upgrades lock it exclusively.
    _big_lock: File,
}

impl Database {
    /// Opens the database below `state_dir`, creating it if it does not exist.
    pub(crate) fn open(state_dir: &Path, store_dir: &StoreDir) -> Result<Self> {
        let directory = state_dir.join("db");
        let path = directory.join("db.sqlite");
        let lock_path = directory.join("big-lock");
        let big_lock = open_lock_file(&lock_path)?;
        lock_file(&big_lock, &lock_path, LockKind::Shared, Wait::Block)?;
        let schema_path = directory.join("schema");
        let mut version = read_version(&schema_path)?;
        if version.is_none() {
            lock_file(&big_lock, &lock_path, LockKind::Exclusive, Wait::Block)?;
            version = read_version(&schema_path)?;
        }
        let new = version.is_none();
        if let Some(version) = version.filter(|version| *version != SCHEMA_VERSION.to_string()) {
            return Err(StoreError::Schema { path, version, expected: SCHEMA_VERSION });
        }
        let connection = connect(&path, new).map_err(|source| database_error("open", &path, source))?;
        if new {
            connection.execute_batch(SCHEMA).map_err(|source| database_error("create", &path, source))?;
            write_version(&schema_path)?;
            lock_file(&big_lock, &lock_path, LockKind::Shared, Wait::Block)?;
        }
        Ok(Self { connection, path, store_dir: store_dir.clone(), _big_lock: big_lock })
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        query(&self.connection).map_err(|source| database_error("read", &self.path, source))
    }

    fn parse_path(&self, text: &str, what: &'static str) -> Result<StorePath> {
        self.store_dir.parse(text).map_err(|error| StoreError::Corrupt {
            what,
            path: text.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The paths in the only column of a query's rows.
    fn paths(&self, sql: &str, argument: impl rusqlite::ToSql) -> Result<BTreeSet<StorePath>> {
        let rows: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([argument], |row| row.get(0))?;
            rows.collect()
        })?;
        rows.iter().map(|text| self.parse_path(text, "path")).collect()
    }

    pub(crate) fn id_of(&self, path: &StorePath) -> Result<Option<i64>> {
        let text = self.store_dir.display(path);
        self.read(|connection| {
            connection
                .prepare_cached("select id from ValidPaths where path = ?")?
                .query_row([text], |row| row.get(0))
                .optional()
        })
    }

    pub(crate) fn path_info(&self, path: &StorePath) -> Result<Option<PathInfo>> {
        let text = self.store_dir.display(path);
        let found = self.read(|connection| {
            connection
                .prepare_cached(&format!("select {COLUMNS} from ValidPaths where path = ?"))?
                .query_row([text], RawInfo::from_row)
                .optional()
        })?;
        let Some(raw) = found else { return Ok(None) };
        let references = self.references_of_id(raw.id)?;
        raw.into_info(&self.store_dir, references).map(Some)
    }

    fn references_of_id(&self, id: i64) -> Result<BTreeSet<StorePath>> {
        self.paths("select path from Refs join ValidPaths on reference = id where referrer = ?", id)
    }

    pub(crate) fn references(&self, path: &StorePath) -> Result<Option<BTreeSet<StorePath>>> {
        self.id_of(path)?.map(|id| self.references_of_id(id)).transpose()
    }

    pub(crate) fn referrers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>> {
        let sql = "select path from Refs join ValidPaths on referrer = id \
                   where reference = (select id from ValidPaths where path = ?)";
        self.paths(sql, self.store_dir.display(path))
    }

    pub(crate) fn valid_derivers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>> {
        let sql = "select v.path from DerivationOutputs d join ValidPaths v on d.drv = v.id \
                   where d.path = ?";
        self.paths(sql, self.store_dir.display(path))
    }

    pub(crate) fn derivation_outputs(&self, derivation: &StorePath) -> Result<BTreeMap<String, StorePath>> {
        let text = self.store_dir.display(derivation);
        let rows: Vec<(String, String)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "select d.id, d.path from DerivationOutputs d \
                 join ValidPaths v on d.drv = v.id where v.path = ?",
            )?;
            let rows = statement.query_map([text], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        rows.into_iter()
            .map(|(output, path)| Ok((output, self.parse_path(&path, "derivation output")?)))
            .collect()
    }

    pub(crate) fn path_with_hash_part(&self, hash_part: &str) -> Result<Option<StorePath>> {
        let prefix = format!("{}/{hash_part}", self.store_dir.as_str());
        let found: Option<String> = self.read(|connection| {
            connection
                .prepare_cached("select path from ValidPaths where path >= ? limit 1")?
                .query_row([&prefix], |row| row.get(0))
                .optional()
        })?;
        match found.filter(|text| text.starts_with(&prefix)) {
            Some(text) => self.parse_path(&text, "path").map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn all_paths(&self) -> Result<BTreeSet<StorePath>> {
        self.paths("select path from ValidPaths where ?", true)
    }

    /// Registers all or, on an error, nothing.
    pub(crate) fn register(&mut self, registrations: &[Registration], now: u64) -> Result<()> {
        check_no_cycle(registrations)?;
        let Self { connection, path, store_dir, .. } = self;
        let error = |source| database_error("write", path, source);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
        let mut ids = BTreeMap::new();
        for registration in registrations {
            let id = upsert(&transaction, store_dir, registration, now).map_err(error)?;
            ids.insert(&registration.info.path, id);
        }
        for registration in registrations {
            let info = &registration.info;
            let referrer = ids[&info.path];
            for reference in &info.references {
                let id = match ids.get(reference) {
                    Some(id) => *id,
                    None => find_id(&transaction, store_dir, reference)
                        .map_err(error)?
                        .ok_or_else(|| StoreError::NotValid(store_dir.display(reference)))?,
                };
                transaction
                    .prepare_cached("insert or ignore into Refs (referrer, reference) values (?, ?)")
                    .and_then(|mut statement| statement.execute([referrer, id]))
                    .map_err(error)?;
            }
        }
        transaction.commit().map_err(error)
    }

    pub(crate) fn set_signatures(&mut self, path: &StorePath, signatures: &BTreeSet<String>) -> Result<()> {
        let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
        let text = self.store_dir.display(path);
        let changed = self
            .connection
            .prepare_cached("update ValidPaths set sigs = ? where path = ?")
            .and_then(|mut statement| statement.execute([signatures.join(" "), text.clone()]))
            .map_err(|source| database_error("write", &self.path, source))?;
        if changed == 1 { Ok(()) } else { Err(StoreError::NotValid(text)) }
    }

    /// Forgets paths, all or, if others still refer to one of them, none.
    pub(crate) fn invalidate(&mut self, paths: &[StorePath]) -> Result<()> {
        let Self { connection, path, store_dir, .. } = self;
        let error = |source| database_error("write", path, source);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
        // References among the paths themselves go first, so that what stops the
        // deletion of a row is always a reference from elsewhere.
        for path in paths {
            transaction
                .prepare_cached(
                    "delete from Refs where referrer = (select id from ValidPaths where path = ?)",
                )
                .and_then(|mut statement| statement.execute([store_dir.display(path)]))
                .map_err(error)?;
        }
        for path in paths {
            let text = store_dir.display(path);
            let deleted = transaction
                .prepare_cached("delete from ValidPaths where path = ?")
                .and_then(|mut statement| statement.execute([&text]));
            match deleted {
                Err(rusqlite::Error::SqliteFailure(failure, _))
                    if failure.code == rusqlite::ErrorCode::ConstraintViolation =>
                {
                    drop(transaction);
                    let users = self.referrers(path)?;
                    return Err(StoreError::InUse { path: text, users: crate::error::list(&users) });
                }
                other => other.map_err(error)?,
            };
        }
        transaction.commit().map_err(error)
    }

    /// Whether SQLite finds the file consistent; else what it says.
    pub(crate) fn integrity(&self) -> Result<Vec<String>> {
        let rows: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare("pragma quick_check")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })?;
        Ok(if rows == ["ok"] { Vec::new() } else { rows })
    }
}

fn connect(path: &Path, new: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, new);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // As Nix does it: a write-ahead log, synchronised at checkpoints. A power cut
    // may undo the last registrations, but never one half.
    connection.execute_batch(
        "pragma synchronous = normal; pragma foreign_keys = 1; pragma wal_autocheckpoint = 40000;",
    )?;
    let mode: String = connection.query_row("pragma main.journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        connection.query_row("pragma main.journal_mode = wal", [], |_| Ok(()))?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn read_version(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

fn write_version(path: &Path) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).at("create", &temporary)?;
    file.write_all(SCHEMA_VERSION.to_string().as_bytes()).at("write", &temporary)?;
    file.sync_all().at("write", &temporary)?;
    std::fs::rename(&temporary, path).at("create", path)
}

fn database_error(action: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::NoSpace(path.to_owned()),
        Some(rusqlite::ErrorCode::ReadOnly) => StoreError::NotWritable(path.to_owned()),
        _ => StoreError::Database { action, path: path.to_owned(), source },
    }
}

fn find_id(connection: &Connection, store_dir: &StoreDir, path: &StorePath) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("select id from ValidPaths where path = ?")?
        .query_row([store_dir.display(path)], |row| row.get(0))
        .optional()
}

fn upsert(
    connection: &Connection,
    store_dir: &StoreDir,
    registration: &Registration,
    now: u64,
) -> rusqlite::Result<i64> {
    let info = &registration.info;
    let hash = format!("sha256:{}", info.nar_hash.to_base16());
    let time = if info.registration_time == 0 { now } else { info.registration_time };
    let deriver = info.deriver.as_ref().map(|path| store_dir.display(path));
    let size = (info.nar_size != 0).then_some(info.nar_size as i64);
    let ultimate = info.ultimate.then_some(1);
    let signatures: Vec<_> = info.signatures.iter().map(String::as_str).collect();
    let signatures = (!signatures.is_empty()).then(|| signatures.join(" "));
    let address = info.content_address.map(|address| address.to_string());
    let path = store_dir.display(&info.path);
    if let Some(id) = find_id(connection, store_dir, &info.path)? {
        connection
            .prepare_cached(
                "update ValidPaths set narSize = ?, hash = ?, ultimate = ?, sigs = ?, ca = ? \
                 where id = ?",
            )?
            .execute(params![size, hash, ultimate, signatures, address, id])?;
        return Ok(id);
    }
    connection
        .prepare_cached(
            "insert into ValidPaths (path, hash, registrationTime, deriver, narSize, ultimate, \
             sigs, ca) values (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![path, hash, time as i64, deriver, size, ultimate, signatures, address])?;
    let id = connection.last_insert_rowid();
    for (output, path) in &registration.derivation_outputs {
        connection
            .prepare_cached("insert or replace into DerivationOutputs (drv, id, path) values (?, ?, ?)")?
            .execute(params![id, output, store_dir.display(path)])?;
    }
    Ok(id)
}

/// References among the paths that are registered together must not go round in
/// a circle (those of a path to itself may).
fn check_no_cycle(registrations: &[Registration]) -> Result<()> {
    let mut pending: BTreeMap<&StorePath, BTreeSet<&StorePath>> = registrations
        .iter()
        .map(|registration| {
            let info = &registration.info;
            (&info.path, info.references.iter().filter(|path| **path != info.path).collect())
        })
        .collect();
    if registrations.len() < 2 {
        return Ok(());
    }
    let known: BTreeSet<&StorePath> = pending.keys().copied().collect();
    let mut users: BTreeMap<&StorePath, Vec<&StorePath>> = BTreeMap::new();
    for (path, references) in &mut pending {
        references.retain(|reference| known.contains(reference));
        for reference in references.iter() {
            users.entry(*reference).or_default().push(path);
        }
    }
    let mut ready: Vec<&StorePath> =
        pending.iter().filter(|(_, needs)| needs.is_empty()).map(|(path, _)| *path).collect();
    while let Some(path) = ready.pop() {
        pending.remove(path);
        for user in users.get(path).into_iter().flatten() {
            if let Some(needs) = pending.get_mut(user) {
                needs.remove(path);
                if needs.is_empty() {
                    ready.push(user);
                }
            }
        }
    }
    if pending.is_empty() {
        return Ok(());
    }
    Err(StoreError::ReferenceCycle(crate::error::list(pending.keys().copied())))
}

/// A row of `ValidPaths`.
struct RawInfo {
    id: i64,
    path: String,
    hash: String,
    registration_time: i64,
    deriver: Option<String>,
    nar_size: Option<i64>,
    ultimate: Option<i64>,
    signatures: Option<String>,
    content_address: Option<String>,
}

impl RawInfo {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            path: row.get(1)?,
            hash: row.get(2)?,
            registration_time: row.get(3)?,
            deriver: row.get(4)?,
            nar_size: row.get(5)?,
            ultimate: row.get(6)?,
            signatures: row.get(7)?,
            content_address: row.get(8)?,
        })
    }

    fn into_info(self, store_dir: &StoreDir, references: BTreeSet<StorePath>) -> Result<PathInfo> {
        let corrupt = |what: &'static str, reason: String| StoreError::Corrupt {
            what,
            path: self.path.clone(),
            reason,
        };
        let path = store_dir.parse(&self.path).map_err(|error| corrupt("path", error.to_string()))?;
        let nar_hash = Hash::parse(&self.hash, None).map_err(|error| corrupt("hash", error.to_string()))?;
        // Some old versions wrote other texts for "unknown".
        let deriver = self.deriver.as_deref().and_then(|text| store_dir.parse(text).ok());
        let content_address = match self.content_address.as_deref() {
            None | Some("") => None,
            Some(text) => Some(
                ContentAddress::parse(text).map_err(|error| corrupt("content address", error.to_string()))?,
            ),
        };
        let signatures = self.signatures.as_deref().unwrap_or_default();
        Ok(PathInfo {
            path,
            nar_hash,
            nar_size: self.nar_size.unwrap_or(0).max(0) as u64,
            references,
            deriver,
            registration_time: self.registration_time.max(0) as u64,
            ultimate: self.ultimate == Some(1),
            signatures: signatures.split_whitespace().map(str::to_owned).collect(),
            content_address,
        })
    }
}
