#![allow(clippy::unwrap_used)]

use super::*;

/// From the reference implementation's vectors: the key is 00 01 .. 0f, the input 00 01 .. .
#[test]
fn the_hash_is_siphash_2_4() {
    let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    let input: Vec<u8> = (0..63).collect();
    assert_eq!(siphash(key, &input[..0]), 0x726f_db47_dd0e_0e31);
    assert_eq!(siphash(key, &input[..1]), 0x74f8_39c5_93dc_67fd);
    assert_eq!(siphash(key, &input[..8]), 0x93f5_f579_9a93_2462);
    assert_eq!(siphash(key, &input[..15]), 0xa129_ca61_49be_45e5);
}
