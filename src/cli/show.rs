use super::args::Show;
use super::{Context, Exit, Failure};
pub fn run(_args: &Show, _context: &Context) -> Result<Exit, Failure> {
    Ok(Exit::Complete)
}
