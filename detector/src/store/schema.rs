//! Which tables does the store have, and how does an older file get them?

use rusqlite::{Connection, TransactionBehavior};

use super::marks;

/// Marks a file as a store of this program: "bgpw".
pub const APPLICATION_ID: i32 = 0x6267_7077;

/// Each entry brings a file from the version before to its own, which is its place in the list. What was released
/// never changes; a new version is a new entry.
const MIGRATIONS: [&str; 7] = [
    // 1: every transition, the latest state of each incident, what each sink still has to be told, checkpoints.
    "CREATE TABLE transitions (
        number INTEGER PRIMARY KEY,
        incident TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        transition TEXT NOT NULL,
        class TEXT NOT NULL,
        severity TEXT NOT NULL,
        time INTEGER NOT NULL,
        first_prefix TEXT,
        json TEXT NOT NULL,
        stored INTEGER NOT NULL,
        UNIQUE (incident, sequence)
    );
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        status TEXT NOT NULL,
        class TEXT NOT NULL,
        severity TEXT NOT NULL,
        time INTEGER NOT NULL,
        stored INTEGER NOT NULL
    );
    CREATE INDEX incidents_over ON incidents (stored) WHERE status <> 'open';
    CREATE TABLE deliveries (
        sink TEXT NOT NULL,
        incident TEXT NOT NULL,
        first INTEGER NOT NULL,
        offered INTEGER NOT NULL,
        confirmed INTEGER,
        confirmed_at INTEGER,
        PRIMARY KEY (sink, incident)
    ) WITHOUT ROWID;
    CREATE INDEX deliveries_of ON deliveries (incident);
    CREATE TABLE outbox (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        sink TEXT NOT NULL,
        incident TEXT NOT NULL,
        sequence INTEGER,
        queued INTEGER NOT NULL
    );
    CREATE INDEX outbox_order ON outbox (sink, place);
    CREATE INDEX outbox_of ON outbox (incident);
    CREATE TABLE checkpoints (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        seq INTEGER NOT NULL,
        time INTEGER NOT NULL,
        complete INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE checkpoint_parts (
        checkpoint INTEGER NOT NULL REFERENCES checkpoints (number) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (checkpoint, part)
    );",
    // 2: what a restart has to know of incidents that changed after the last checkpoint.
    "CREATE TABLE chapters (
        incident TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        bytes BLOB NOT NULL
    );",
    // 3: what was wrong with the watching; a row of an outbox is a transition, a notice or, with neither, a tombstone.
    "CREATE TABLE notices (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        time INTEGER NOT NULL,
        stored INTEGER NOT NULL,
        UNIQUE (id, time, state)
    );
    CREATE INDEX notices_of ON notices (id, number);
    ALTER TABLE outbox ADD COLUMN notice INTEGER;",
    // 4: the history can be searched. Numbers of incidents grow with their beginning; what else an incident is found by
    // stands in `marks`, which is filled from the alerts.
    "DROP INDEX incidents_over;
    ALTER TABLE incidents RENAME TO incidents_before;
    CREATE TABLE incidents (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        sequence INTEGER NOT NULL,
        status TEXT NOT NULL,
        class TEXT NOT NULL,
        severity TEXT NOT NULL,
        time INTEGER NOT NULL,
        stored INTEGER NOT NULL
    );
    CREATE INDEX incidents_over ON incidents (stored) WHERE status <> 'open';
    CREATE INDEX incidents_by_status ON incidents (status);
    CREATE INDEX incidents_by_class ON incidents (class);
    CREATE INDEX incidents_by_severity ON incidents (severity);
    CREATE TABLE marks (
        kind INTEGER NOT NULL,
        value NOT NULL,
        incident INTEGER NOT NULL REFERENCES incidents (number) ON DELETE CASCADE,
        PRIMARY KEY (kind, value, incident)
    ) WITHOUT ROWID;
    CREATE INDEX marks_of ON marks (incident, kind, value);",
    // 5: what people said. Rows are only ever added.
    "CREATE TABLE verdicts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL,
        opinion TEXT NOT NULL,
        by TEXT NOT NULL,
        why TEXT NOT NULL,
        at INTEGER NOT NULL,
        expires INTEGER,
        duplicate_of TEXT,
        rule TEXT,
        undoes INTEGER UNIQUE REFERENCES verdicts (number)
    );
    CREATE INDEX verdicts_of ON verdicts (incident);
    CREATE INDEX verdicts_with_rules ON verdicts (number) WHERE rule IS NOT NULL;",
    // 6: who held which route of an incident, from when to when. `untold` found no room with the engine, `no_room` here.
    "CREATE TABLE route_histories (
        incident INTEGER PRIMARY KEY REFERENCES incidents (number) ON DELETE CASCADE,
        last INTEGER NOT NULL DEFAULT 0,
        kept INTEGER NOT NULL DEFAULT 0,
        untold INTEGER NOT NULL DEFAULT 0,
        no_room INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX route_histories_kept ON route_histories (incident) WHERE kept > 0;
    CREATE TABLE route_points (
        number INTEGER PRIMARY KEY,
        collector TEXT NOT NULL,
        peer_as INTEGER NOT NULL,
        peer_address TEXT NOT NULL,
        UNIQUE (collector, peer_as, peer_address)
    );
    CREATE TABLE routes (
        incident INTEGER NOT NULL REFERENCES route_histories (incident) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        prefix BLOB NOT NULL,
        point INTEGER NOT NULL REFERENCES route_points (number),
        path_id INTEGER NOT NULL,
        as_path TEXT NOT NULL,
        origin_as INTEGER,
        otc INTEGER,
        blackhole INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER,
        why TEXT,
        before_prefix BLOB,
        before_path TEXT,
        PRIMARY KEY (incident, number)
    ) WITHOUT ROWID;
    CREATE INDEX routes_held ON routes (incident, prefix, point, path_id) WHERE ended IS NULL;
    CREATE INDEX routes_at ON routes (incident, prefix, point, path_id, started);
    CREATE TABLE route_room (kept INTEGER NOT NULL);
    INSERT INTO route_room VALUES (0);",
    // 7: what receivers refused for good. `key` is an incident or a notice, as in the outbox; `fate` says what became of it.
    "CREATE TABLE dead_letters (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        sink TEXT NOT NULL,
        key TEXT NOT NULL,
        sequence INTEGER,
        notice INTEGER,
        error TEXT NOT NULL,
        refused INTEGER NOT NULL,
        settled INTEGER,
        by TEXT,
        fate TEXT
    );
    CREATE INDEX dead_letters_of ON dead_letters (key);
    CREATE INDEX dead_letters_by_sink ON dead_letters (sink, number);
    CREATE INDEX dead_letters_open ON dead_letters (sink, number) WHERE settled IS NULL;",
];

/// The version whose incidents got numbers and marks.
const SEARCHABLE: i64 = 4;

/// The version that keeps routes.
pub const ROUTES: i64 = 6;

/// The version this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// The version of a file; 0 for an empty one.
pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let known: bool =
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'", [], |row| row.get(0))?;
    if !known {
        return Ok(0);
    }
    connection.query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |row| row.get(0))
}

/// When the file began, in microseconds since 1970: tells it from another one.
pub fn began(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT min(applied) FROM migrations", [], |row| row.get(0))
}

/// Brings a file to [`VERSION`]: all of it or nothing. `now` in microseconds since 1970.
pub fn migrate(connection: &mut Connection, now: i64) -> rusqlite::Result<()> {
    migrate_with(connection, &MIGRATIONS, now)
}

fn migrate_with(connection: &mut Connection, migrations: &[&str], now: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = version(&transaction)?;
    if from == 0 {
        transaction.execute_batch(
            "CREATE TABLE migrations (version INTEGER PRIMARY KEY, program TEXT NOT NULL, applied INTEGER NOT NULL)",
        )?;
    }
    for (version, sql) in (1_i64..).zip(migrations).filter(|(version, _)| *version > from) {
        transaction.execute_batch(sql)?;
        if version == SEARCHABLE {
            marks::number_all(&transaction)?;
        }
        let program = env!("CARGO_PKG_VERSION");
        transaction.execute("INSERT INTO migrations VALUES (?1, ?2, ?3)", (version, program, now))?;
    }
    transaction.commit()
}

/// An older file.
#[cfg(test)]
pub fn migrate_to(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    migrate_with(connection, &MIGRATIONS[..version], 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gets_the_newest_version_and_keeps_it() {
        let mut connection = Connection::open_in_memory().expect("memory");
        assert_eq!(version(&connection).expect("a version"), 0);
        for _ in 0..2 {
            migrate(&mut connection, 7).expect("migrated");
            assert_eq!(version(&connection).expect("a version"), VERSION);
        }
        let rows: i64 = connection.query_row("SELECT count(*) FROM migrations", [], |r| r.get(0)).expect("a count");
        assert_eq!(rows, VERSION);
    }

    #[test]
    fn a_file_of_version_1_keeps_its_rows_on_the_way_to_a_later_one() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate_with(&mut connection, &MIGRATIONS[..1], 7).expect("version 1");
        connection.execute("INSERT INTO checkpoints (seq, time) VALUES (1, 2)", []).expect("a row");
        let later = [MIGRATIONS[0], "ALTER TABLE checkpoints ADD COLUMN note TEXT"];
        migrate_with(&mut connection, &later, 8).expect("version 2");
        assert_eq!(version(&connection).expect("a version"), 2);
        let seq: i64 = connection.query_row("SELECT seq FROM checkpoints", [], |r| r.get(0)).expect("the row");
        assert_eq!(seq, 1);
    }

    #[test]
    fn what_waits_in_an_outbox_of_version_2_waits_in_version_3() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate_with(&mut connection, &MIGRATIONS[..2], 7).expect("version 2");
        let queue = "INSERT INTO outbox (sink, incident, sequence, queued) VALUES ('bus', 'bw-a', NULL, 0)";
        connection.execute(queue, []).expect("a row");
        migrate_with(&mut connection, &MIGRATIONS[..3], 8).expect("version 3");
        let (waiting, _) = super::super::rows::page(&connection, "bus", 0).expect("a page");
        let parcels: Vec<_> = waiting.into_iter().map(|waiting| waiting.parcel).collect();
        assert_eq!(parcels, [Some(crate::sink::Parcel::Forget("bw-a".into()))]);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate_with(&mut connection, &MIGRATIONS[..1], 7).expect("version 1");
        let broken = [MIGRATIONS[0], "CREATE TABLE one (a); CREATE TABLE one (a)"];
        migrate_with(&mut connection, &broken, 8).expect_err("it cannot be");
        assert_eq!(version(&connection).expect("a version"), 1);
        let left: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'one'", [], |r| r.get(0))
            .expect("a count");
        assert_eq!(left, 0);
    }
}
