//! The engines that read a lake.

/// An engine, for which the views of a lake are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SqlEngine {
    Duckdb,
    Bigquery,
    Snowflake,
    Spark,
}

impl SqlEngine {
    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            SqlEngine::Duckdb => "duckdb",
            SqlEngine::Bigquery => "bigquery",
            SqlEngine::Snowflake => "snowflake",
            SqlEngine::Spark => "spark",
        }
    }
}
