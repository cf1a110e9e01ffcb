//! Pages to look at: what a job has, what changed in it, and the state of all jobs.
//!
//! A page is one file without a script and without a request: the style is in it, and its policy allows nothing else. Charts
//! are drawn here as shapes, and each is followed by a table with the same numbers. All texts go through the escaping of the
//! template. The type of the template knows that it writes HTML.

mod catalog_sections;
mod chart;
mod chart_places;
mod chart_section;
mod column_names;
mod dates;
mod fetch_section;
mod job_page;
mod logo;
mod overview;
mod overview_sections;
mod overview_status;
mod page;
mod playlist_sections;
mod query_rows;
mod release_section;

pub use chart_section::PageChart;
pub use job_page::{JobPage, ReportError, render_job_page};
pub use logo::{LogoError, PageLogo};
pub use overview::{Overview, OverviewJob, OverviewSignIn, OverviewStart, render_overview};
pub use query_rows::PageQuery;
