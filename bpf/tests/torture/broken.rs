//! Each step of the protocol, broken on purpose, is noticed.

use super::{Scratch, compile, crate_path, torture};

const ATTEMPTS: u32 = 10;

/// What replaces what in a file of the core; the text is there exactly once.
struct Change {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

fn is_caught(name: &str, changes: &[Change]) {
    let scratch = Scratch::new(name);
    let core = scratch.0.join("core");
    std::fs::create_dir_all(&core).unwrap();
    for file in std::fs::read_dir(crate_path("core")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), core.join(file.file_name())).unwrap();
    }
    for change in changes {
        let path = core.join(change.file);
        let text = std::fs::read_to_string(&path).unwrap();
        let places = text.matches(change.from).count();
        assert_eq!(
            places, 1,
            "{}: {:?} has to be there once",
            change.file, change.from
        );
        std::fs::write(&path, text.replace(change.from, change.to)).unwrap();
    }
    let program = compile(&scratch, &core);
    // On a busy machine threads meet less often: one that is not noticed at once gets more time.
    for _ in 0..ATTEMPTS {
        let output = torture(&program);
        println!("{name}: {}", String::from_utf8_lossy(&output.stdout));
        if output.status.code() == Some(1) {
            return;
        }
    }
    panic!("{name}: not noticed in {ATTEMPTS} attempts");
}

#[test]
fn a_forward_look_up_that_does_not_read_the_word_again_is_caught() {
    is_caught(
        "forward-recheck",
        &[Change {
            file: "conn.h",
            from: "lb_forward_same(word, lb_load64(lb_after(at, read)))",
            to: "lb_after(at, read)",
        }],
    );
}

#[test]
fn a_reverse_look_up_that_does_not_read_the_word_again_is_caught() {
    is_caught(
        "reverse-recheck",
        &[Change {
            file: "conn.h",
            from: "lb_reverse_same(word, lb_load64(lb_after(at, read)))",
            to: "lb_after(at, read)",
        }],
    );
}

#[test]
fn an_insert_that_does_not_look_again_is_caught() {
    is_caught(
        "rescan",
        &[Change {
            file: "conn_forward.h",
            from: "if (!at || position == claimed)",
            to: "if (position != LB_POSITION_NONE)",
        }],
    );
}

#[test]
fn two_inserters_that_settle_by_position_are_caught() {
    is_caught(
        "tie",
        &[Change {
            file: "conn_forward.h",
            from: "if (!lb_word_is_live(word))\n\t\t\treturn LB_INSERT_CONTENDED;",
            to: "if (!lb_word_is_live(word)) {\n\
                 if (position < claimed) return LB_INSERT_CONTENDED; else continue; }",
        }],
    );
}

#[test]
fn an_insert_that_does_not_look_for_the_reverse_key_again_is_caught() {
    is_caught(
        "reverse-rescan",
        &[Change {
            file: "conn_reverse.h",
            from: "if (!at || reverse == claimed)",
            to: "if (reverse != LB_POSITION_NONE)",
        }],
    );
}

#[test]
fn an_eviction_by_plain_store_is_caught() {
    is_caught(
        "plain-store",
        &[Change {
            file: "conn_forward.h",
            from: "if (lb_cas64(at, word, busy) != word)",
            to: "lb_store64(at, busy);\nif (false)",
        }],
    );
}

#[test]
fn an_eviction_that_leaves_the_reverse_word_is_caught() {
    is_caught(
        "no-clear",
        &[Change {
            file: "conn_forward.h",
            from: "\t\tlb_conn_clear(position, word >> LB_FORWARD_AGE_SHIFT);\n",
            to: "",
        }],
    );
}

#[test]
fn a_release_that_frees_forward_before_reverse_is_caught() {
    is_caught(
        "free-order",
        &[Change {
            file: "conn_end.h",
            from: "\tlb_conn_clear(position, word >> LB_FORWARD_AGE_SHIFT);\n\tlb_forward_free(at);",
            to: "\tlb_forward_free(at);\n\tlb_conn_clear(position, word >> LB_FORWARD_AGE_SHIFT);",
        }],
    );
}

#[test]
fn an_entry_written_after_it_is_published_is_caught() {
    let write = "\tlb_entry_write(family, entry, &insert->entry);\n";
    let published = "\tinsert->position = position;\n\tinsert->word = word;\n\
                     \treturn LB_INSERT_DONE;";
    let late: &'static str = format!("{write}{published}").leak();
    is_caught(
        "publish-first",
        &[
            Change {
                file: "conn_insert.h",
                from: write,
                to: "",
            },
            Change {
                file: "conn_insert.h",
                from: published,
                to: late,
            },
        ],
    );
}

#[test]
fn a_flow_that_ends_without_leaving_its_backends_load_is_caught() {
    is_caught(
        "load",
        &[Change {
            file: "conn_end.h",
            from: "\tlb_load_give(entry->backend_id);\n",
            to: "",
        }],
    );
}

#[test]
fn a_one_sided_flow_that_claims_a_reverse_word_is_caught() {
    is_caught(
        "one-sided",
        &[Change {
            file: "conn_insert.h",
            from: "if (insert->entry.flags & LB_CONN_ONE_SIDED)",
            to: "if (false)",
        }],
    );
}

#[test]
fn an_eviction_of_confirmed_flows_is_caught() {
    is_caught(
        "confirmed",
        &[Change {
            file: "conn_line.h",
            from: "0x4444444314443340ULL",
            to: "0x4444444313333340ULL",
        }],
    );
}
