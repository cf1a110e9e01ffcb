//! What queries may not do.

use rusqlite::hooks::AuthAction;

/// The functions that a query may call. SQLite has others, for its own tables of full texts, trees and statistics, and for
/// loading extensions: a query needs none of them, and `fts3_tokenizer` takes a bound value for an address in memory.
const FUNCTIONS: &str = "-> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling changes char coalesce concat concat_ws cos \
    cosh count cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp \
    first_value floor format glob group_concat hex if ifnull iif instr json json_array json_array_insert \
    json_array_length json_each json_error_position json_extract json_group_array json_group_object json_insert \
    json_object json_patch json_pretty json_quote json_remove json_replace json_set json_tree json_type json_valid \
    jsonb jsonb_array jsonb_array_insert jsonb_each jsonb_extract jsonb_group_array jsonb_group_object \
    jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set jsonb_tree julianday lag \
    last_insert_rowid last_value lead length like likelihood likely ln log log10 log2 lower ltrim max median min \
    mod nth_value ntile nullif octet_length percent_rank percentile percentile_cont percentile_disc pi pow power \
    printf quote radians random randomblob rank replace round row_number rtrim sign sin sinh soundex \
    sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id sqlite_version sqrt strftime string_agg \
    substr substring subtype sum tan tanh time timediff total total_changes trim trunc typeof unhex unicode unistr \
    unistr_quote unixepoch unlikely upper zeroblob";

/// Tables that SQLite computes, other than those of JSON. A query needs none of them.
const MODULES: &str = "bytecode dbstat fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab rtree sqlite_stmt tables_used";

/// Returns why an action is refused, or none if it only reads.
pub(super) fn refusal(action: AuthAction<'_>) -> Option<String> {
    let is_in = |names: &str, name: &str| names.split(' ').any(|known| known.eq_ignore_ascii_case(name));
    match action {
        AuthAction::Read { table_name, .. } if is_in(MODULES, table_name) => Some(table_name.to_owned()),
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => None,
        AuthAction::Function { function_name } if is_in(FUNCTIONS, function_name) => None,
        AuthAction::Function { function_name } => Some(format!("{function_name}()")),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("ATTACH".into()),
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name}")),
        AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => Some(format!("changing {table_name}")),
        AuthAction::Update { table_name, .. } => Some(format!("changing {table_name}")),
        _ => Some("anything except SELECT".into()),
    }
}
