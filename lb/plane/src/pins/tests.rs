use super::*;

#[test]
fn comments_and_spaces_are_no_part_of_the_abi() {
    let code = without_comments("a /* one */ b\n/* two\n * lines */ c");
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn the_abi_hash_names_a_directory() {
    let hash = abi_hash();
    assert_eq!(hash.len(), 16);
    assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
}
