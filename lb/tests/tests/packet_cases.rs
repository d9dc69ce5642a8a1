//! `bpf/cases` on both hosts of the core.
#![forbid(unsafe_code)]

use lb_tests::case::{self, Case};
use lb_tests::host::{Host, User, Xdp};
use lb_tests::run::{prefixes, run};

/// Applies a check to every case, and says all that fail.
fn each(check: &mut dyn FnMut(&Case) -> anyhow::Result<()>) {
    let cases = case::all().expect("the cases are well-formed");
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err())
        .map(|error| format!("{error:#}"))
        .collect();
    let count = failures.len();
    assert!(
        count == 0,
        "{count} of {} cases fail:\n{}",
        cases.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_case_comes_out_as_written_on_the_user_host() {
    each(&mut |case| run(case, &mut User::default()).map(drop));
}

#[test]
fn every_prefix_of_every_packet_is_survived_on_the_user_host() {
    let mut count = 0;
    each(&mut |case| {
        count += prefixes(case, &mut User::default())?;
        Ok(())
    });
    assert!(count > 1000, "only {count} prefixes");
}

mod root {
    use super::*;

    /// A host that can run a case: the one before where it fits, as a load takes its time.
    fn fitting<'a>(kept: &'a mut Option<Xdp>, case: &Case) -> anyhow::Result<&'a mut dyn Host> {
        if !kept.as_ref().is_some_and(|host| host.fits(case)) {
            *kept = None;
            *kept = Some(Xdp::new(case)?);
        }
        Ok(kept.as_mut().expect("made above"))
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn every_case_comes_out_as_written_on_xdp() {
        let mut kept = None;
        each(&mut |case| run(case, fitting(&mut kept, case)?).map(drop));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn every_prefix_of_every_packet_is_survived_on_xdp() {
        let mut kept = None;
        each(&mut |case| prefixes(case, fitting(&mut kept, case)?).map(drop));
    }
}
