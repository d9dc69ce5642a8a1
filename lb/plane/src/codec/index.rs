//! Two-choice indexes: each key may be in one of two lines. Built whole; keys that are in the way
//! move to their other line, and a seed with which that fails is followed by the next.

/// Moves before a seed is given up.
const MOVES: usize = 512;
/// Seeds before the index counts as full. At half load the first one nearly always does.
pub(crate) const SEEDS: u64 = 64;

/// The seeds, odd, in the order they are tried.
pub(crate) fn seed(attempt: u64) -> u64 {
    (attempt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// Lays keys (by number) into lines of `room` places. Returns the keys of each line, or None
/// where this seed does not work out.
pub(crate) fn lay(candidates: &[[u32; 2]], lines: u32, room: usize) -> Option<Vec<Vec<usize>>> {
    let mut table: Vec<Vec<usize>> = vec![Vec::new(); lines as usize];
    for key in 0..candidates.len() {
        let (mut key, [first, second]) = (key, candidates[key]);
        let mut line = if table[second as usize].len() < table[first as usize].len() {
            second
        } else {
            first
        };
        let mut moves = 0;
        while table[line as usize].len() == room {
            if moves == MOVES {
                return None;
            }
            let places = &mut table[line as usize];
            key = std::mem::replace(&mut places[moves % room], key);
            moves += 1;
            let [first, second] = candidates[key];
            line = if line == first { second } else { first };
        }
        table[line as usize].push(key);
    }
    Some(table)
}
