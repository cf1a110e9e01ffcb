//! What queries may not do.

use rusqlite::hooks::AuthAction;

/// Returns why an action is refused, or none if it only reads.
pub(super) fn refusal(action: AuthAction<'_>) -> Option<String> {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => None,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => None,
        AuthAction::Function { function_name } => Some(format!("{function_name}()")),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("ATTACH".into()),
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name}")),
        AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => Some(format!("changing {table_name}")),
        AuthAction::Update { table_name, .. } => Some(format!("changing {table_name}")),
        _ => Some("anything except SELECT".into()),
    }
}
