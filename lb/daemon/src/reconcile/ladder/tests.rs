use super::*;

const DATAPATHS: [Datapath; 3] = [Datapath::Auto, Datapath::Xdp, Datapath::AfXdp];
const MODES: [AttachMode; 3] = [AttachMode::Auto, AttachMode::Native, AttachMode::Generic];

fn known(forwarder: bool, native: bool, afxdp: bool) -> Known {
    let of = |is: bool, why: &str| is.then_some(()).ok_or_else(|| why.to_owned());
    Known {
        forwarder: of(forwarder, "refused"),
        native: of(native, "no native mode"),
        afxdp: of(afxdp, "no AF_XDP"),
    }
}

/// Every combination, as `xdp/native`; `-` where nothing is possible. In the order of rows:
/// forwarder, native, AF_XDP.
#[test]
fn every_combination_has_its_rung() {
    let table = [
        // forwarder native afxdp | datapath auto: mode auto, native, generic | xdp | afxdp
        (
            (true, true, true),
            [
                "xdp/native",
                "xdp/native",
                "xdp/generic",
                "xdp/native",
                "xdp/native",
                "xdp/generic",
                "afxdp/native",
                "afxdp/native",
                "afxdp/generic",
            ],
        ),
        (
            (true, true, false),
            [
                "xdp/native",
                "xdp/native",
                "xdp/generic",
                "xdp/native",
                "xdp/native",
                "xdp/generic",
                "-",
                "-",
                "-",
            ],
        ),
        (
            (true, false, true),
            [
                "xdp/generic",
                "-",
                "xdp/generic",
                "xdp/generic",
                "-",
                "xdp/generic",
                "afxdp/generic",
                "-",
                "afxdp/generic",
            ],
        ),
        (
            (true, false, false),
            [
                "xdp/generic",
                "-",
                "xdp/generic",
                "xdp/generic",
                "-",
                "xdp/generic",
                "-",
                "-",
                "-",
            ],
        ),
        (
            (false, true, true),
            [
                "afxdp/native",
                "afxdp/native",
                "afxdp/generic",
                "-",
                "-",
                "-",
                "afxdp/native",
                "afxdp/native",
                "afxdp/generic",
            ],
        ),
        (
            (false, true, false),
            ["-", "-", "-", "-", "-", "-", "-", "-", "-"],
        ),
        (
            (false, false, true),
            [
                "afxdp/generic",
                "-",
                "afxdp/generic",
                "-",
                "-",
                "-",
                "afxdp/generic",
                "-",
                "afxdp/generic",
            ],
        ),
        (
            (false, false, false),
            ["-", "-", "-", "-", "-", "-", "-", "-", "-"],
        ),
    ];
    for ((forwarder, native, afxdp), expected) in table {
        let known = known(forwarder, native, afxdp);
        let asked = DATAPATHS.iter().flat_map(|datapath| {
            MODES.map(|mode| AttachAs {
                datapath: *datapath,
                mode,
            })
        });
        for (asked, expected) in asked.zip(expected) {
            let found = decide(asked, &known).rung;
            let found = found.map_or("-".into(), |rung| format!("{}/{}", rung.path, rung.mode));
            assert_eq!(found, expected, "{asked:?} with {known:?}");
        }
    }
}

#[test]
fn each_step_down_says_why() {
    let decision = decide(AttachAs::default(), &known(false, false, true));
    assert_eq!(
        decision.why,
        [
            "not xdp in native mode: refused",
            "not afxdp in native mode: no native mode",
            "not xdp in generic mode: refused",
        ]
    );
    let best = decide(AttachAs::default(), &known(true, true, false));
    assert_eq!(best.why, Vec::<String>::new(), "the best needs no excuse");
}

#[test]
fn what_was_not_asked_for_is_not_excused() {
    let asked = AttachAs {
        datapath: Datapath::AfXdp,
        mode: AttachMode::Generic,
    };
    let decision = decide(asked, &known(true, true, true));
    assert_eq!(decision.why, Vec::<String>::new());
    let asked = AttachAs {
        datapath: Datapath::Xdp,
        mode: AttachMode::Auto,
    };
    let decision = decide(asked, &known(false, true, true));
    assert_eq!(decision.rung, None);
    assert_eq!(decision.why.len(), 2, "{decision:?}");
}
