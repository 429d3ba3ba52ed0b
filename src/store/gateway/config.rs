//! The engine's configuration, written beside its data before it starts: small pools and caches, limits of memory and
//! time, and grants that leave out everything that reaches beyond its tables.

use std::io;
use std::path::Path;

use super::file::write_private;

/// What the engine may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Octets of memory for the whole engine, its library's pages apart.
    pub(super) memory: u64,
}

/// All that the store's clients may do, in one statement of the engine's own. What is not granted: functions and engines
/// that read files, addresses or other servers, dictionaries' sources apart, users, functions and stopping the engine.
const GRANT: &str = "GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE, DROP, TRUNCATE, OPTIMIZE, dictGet, KILL QUERY, SYSTEM VIEWS, \
                     SYSTEM FLUSH, SYSTEM MERGES, SYSTEM TTL MERGES, BACKUP ON *.*";

/// Writes `config.xml` and `users.xml` into `folder`, for data in `data` and backups in `backups`.
pub(super) fn write(folder: &Path, data: &Path, backups: &Path, limits: Limits) -> io::Result<()> {
    write_private(&folder.join("users.xml"), users(limits).as_bytes())?;
    let config = config(&text(&folder.join("users.xml"))?, &text(data)?, &text(backups)?, limits);
    write_private(&folder.join("config.xml"), config.as_bytes())
}

fn config(users: &str, data: &str, backups: &str, Limits { memory }: Limits) -> String {
    let mark_cache = (memory / 16).min(128 << 20);
    // The engine would write a log file at its most talkative level if there were a <logger> here.
    format!(
        "<clickhouse>
    <users_config>{users}</users_config>
    <user_files_path>{data}/user_files/</user_files_path>
    <user_scripts_path>/dev/null/</user_scripts_path>
    <tmp_path>{data}/tmp/</tmp_path>
    <backups><allowed_path>{backups}</allowed_path></backups>
    <max_server_memory_usage>{memory}</max_server_memory_usage>
    <mark_cache_size>{mark_cache}</mark_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <index_mark_cache_size>{mark_cache}</index_mark_cache_size>
    <max_thread_pool_size>200</max_thread_pool_size>
    <background_pool_size>2</background_pool_size>
    <background_schedule_pool_size>4</background_schedule_pool_size>
    <background_common_pool_size>2</background_common_pool_size>
    <background_fetches_pool_size>1</background_fetches_pool_size>
    <background_move_pool_size>1</background_move_pool_size>
    <merge_tree>
        <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
        <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
        <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    </merge_tree>
</clickhouse>
"
    )
}

/// Data is never evaluated: `VALUES (file('...'))` would be, and so would text that the `format` function reads.
fn users(Limits { memory }: Limits) -> String {
    let query_memory = memory / 4 * 3;
    format!(
        "<clickhouse>
    <profiles>
        <default>
            <max_memory_usage>{query_memory}</max_memory_usage>
            <max_execution_time>120</max_execution_time>
            <max_threads>2</max_threads>
            <input_format_values_interpret_expressions>0</input_format_values_interpret_expressions>
            <input_format_values_deduce_templates_of_expressions>0</input_format_values_deduce_templates_of_expressions>
            <constraints>
                <input_format_values_interpret_expressions><const/></input_format_values_interpret_expressions>
                <input_format_values_deduce_templates_of_expressions><const/></input_format_values_deduce_templates_of_expressions>
                <max_execution_time><min>1</min><max>7200</max></max_execution_time>
                <max_memory_usage><min>1</min><max>{query_memory}</max></max_memory_usage>
            </constraints>
        </default>
    </profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password></password>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants><query>{GRANT}</query></grants>
        </default>
    </users>
</clickhouse>
"
    )
}

/// `path` as text of XML.
fn text(path: &Path) -> io::Result<String> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{}: the path is not UTF-8", path.display()));
    let path = path.to_str().ok_or_else(wrong)?;
    Ok(path.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_their_element() {
        assert_eq!(text(Path::new("/a</path>&b")).unwrap(), "/a&lt;/path&gt;&amp;b");
    }

    #[test]
    fn the_engine_is_not_granted_what_reaches_beyond_its_tables() {
        for source in ["FILE", "URL", "REMOTE", "SOURCES", "SHUTDOWN", "ALL", "CREATE USER", "ACCESS MANAGEMENT"] {
            assert!(!GRANT.contains(source), "{source}");
        }
    }
}
