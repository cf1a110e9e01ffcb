//! The question before an expensive run, where somebody sits who can answer it.

use std::io::{BufRead, IsTerminal, stdin};

use crate::cli::args::Run;
use crate::cli::budget::{time, words};
use crate::cli::pricing::Desk;
use crate::cli::{Failure, print};
use crate::document::printable;
use crate::job::Job;
use crate::run::{JobPrice, Looks, seconds};

/// A run that takes more than this part of what is left today is asked about.
const EXPENSIVE: f64 = 0.25;
/// Looks at Spotify for the sake of the question, as `plan` takes them.
const LOOKS: u64 = 10;

/// Whether the run goes on: asked on a terminal if it is expensive, else taken for granted.
pub(super) async fn goes_on(desk: &Desk<'_>, args: &Run, job: &Job, price: Option<&JobPrice>) -> Result<bool, Failure> {
    let Some(price) = price.filter(|_| !args.yes && stdin().is_terminal() && std::io::stderr().is_terminal()) else {
        return Ok(true);
    };
    let left = desk.left(None)?.for_job(job, args.max_calls, desk.spent(job)?);
    let expensive = |price: &JobPrice| {
        let calls = price.whole().calls();
        let share = |calls: u64| calls > 0 && left.share(calls).is_some_and(|share| share > EXPENSIVE);
        (share(calls.least), calls.most.is_none_or(share))
    };
    let looks = Looks::at_most(LOOKS);
    let looked;
    let price = match expensive(price) {
        (false, false) => return Ok(true),
        (true, _) => price,
        // It may be cheap, and it may not: a few calls tell.
        (false, true) => {
            looked = desk.price(job, args.full, &looks).await?;
            if expensive(&looked) == (false, false) {
                return Ok(true);
            }
            &looked
        }
    };
    let calls = price.whole().calls();
    let pace = desk.workshop.settings.limits_for(desk.workshop.class(desk.credentials)?).requests_per_second;
    // Of what nobody can say, the part that is known says nothing.
    let share = calls.most.and_then(|most| left.share(most)).filter(|share| share.is_finite());
    let (account, time) = (left.account.unwrap_or(0), time(seconds(calls.likely(), pace)));
    let part = share.map_or_else(String::new, |share| format!(" ({:.0}%)", share * 100.0));
    let asked = match looks.sent() {
        0 => String::new(),
        1 => "; asked Spotify once to know".to_owned(),
        n => format!("; asked Spotify {n} times to know"),
    };
    print::stderr(&format!(
        "{} would take {} of the {account} that it may take today{part}, {time} at the present pace{asked}\ngo on? [y/N] ",
        printable(&job.name),
        words(calls),
    ));
    let mut answer = String::new();
    drop(stdin().lock().read_line(&mut answer));
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
