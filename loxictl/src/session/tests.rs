use lb_api::wire::ErrorBody;

use super::*;

#[test]
fn every_status_of_the_api_has_its_exit_code() {
    let codes = [
        (400, Kind::Usage),
        (403, Kind::Runtime),
        (404, Kind::NotFound),
        (405, Kind::Runtime),
        (409, Kind::Conflict),
        (412, Kind::Conflict),
        (413, Kind::Usage),
        (415, Kind::Usage),
        (422, Kind::Usage),
        (429, Kind::Runtime),
        (500, Kind::Runtime),
        (503, Kind::Unreachable),
        (507, Kind::Runtime),
    ];
    for (status, kind) in codes {
        let error = ApiError {
            status,
            error: ErrorBody::new("code", "what is wrong").into(),
        };
        let failure = refused(&error);
        assert_eq!(failure.kind, kind, "{status}");
        assert!(failure.to_string().contains("what is wrong"));
    }
}

#[test]
fn a_refused_role_is_told_what_to_do() {
    let error = ApiError {
        status: 403,
        error: ErrorBody::new("forbidden", "needs the admin role").into(),
    };
    assert!(refused(&error).to_string().contains("loxid-admin"));
}

#[test]
fn a_missing_socket_is_named() {
    let target = "unix:///nowhere/loxid.sock"
        .parse()
        .expect("it is a target");
    assert!(unreachable_remedy(&target).contains("/nowhere/loxid.sock does not exist"));
}
