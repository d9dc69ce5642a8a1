//! The words of a packet's text.

use anyhow::{Context, Result, bail, ensure};

/// A packet's own words, and the packet within it: quoted in `[]`, or carried in `{}`.
pub struct Text<'a> {
    pub words: Vec<&'a str>,
    pub inner: Option<&'a str>,
}

impl<'a> Text<'a> {
    /// # Errors
    /// A bracket that isn't closed.
    pub fn of(text: &'a str) -> Result<Self> {
        // An IPv6 end has brackets of its own: `[2001:db8::2]:80 > ...`.
        let ends = ends_of(text);
        let Some(open) = text[ends..].find(['[', '{']).map(|at| ends + at) else {
            let words = text.split_whitespace().collect();
            return Ok(Text { words, inner: None });
        };
        let mut depth = 0;
        for (at, letter) in text[open..].char_indices() {
            match letter {
                '[' | '{' => depth += 1,
                ']' | '}' => depth -= 1,
                _ => (),
            }
            if depth == 0 {
                let close = open + at;
                let mut words: Vec<&str> = text[..open].split_whitespace().collect();
                words.extend(text[close + 1..].split_whitespace());
                let inner = Some(&text[open + 1..close]);
                return Ok(Text { words, inner });
            }
        }
        bail!("`{}` is not closed", &text[open..]);
    }
}

/// Where `FROM > TO` is over.
fn ends_of(text: &str) -> usize {
    let Some(arrow) = text.find('>') else {
        return text.len();
    };
    let to = &text[arrow + 1..];
    let start = to.len() - to.trim_start().len();
    let length = to[start..].find(char::is_whitespace);
    length.map_or(text.len(), |length| arrow + 1 + start + length)
}

/// `key=value` words, and words alone.
pub struct Fields<'a, 'b>(pub &'b [&'a str]);

impl<'a> Fields<'a, '_> {
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let value = |word: &&'a str| word.strip_prefix(key)?.strip_prefix('=');
        self.0.iter().find_map(value)
    }

    pub fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    pub fn number<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let value: u64 = text.parse().with_context(|| format!("{key}={text}"))?;
        Ok(Some(
            T::try_from(value)
                .ok()
                .with_context(|| format!("{key}={text}: too large"))?,
        ))
    }

    pub fn bytes(&self, key: &str) -> Result<Vec<u8>> {
        self.get(key).map_or(Ok(Vec::new()), hex)
    }

    /// `data=` text and `len=` bytes.
    pub fn data(&self) -> Result<Vec<u8>> {
        let mut data = self.get("data").unwrap_or_default().as_bytes().to_vec();
        if let Some(length) = self.number::<usize>("len")? {
            data.extend((0..length).map(|index| index as u8));
        }
        Ok(data)
    }
}

/// Bytes as hexadecimal digits.
///
/// # Errors
/// What isn't.
pub fn hex(text: &str) -> Result<Vec<u8>> {
    ensure!(text.is_ascii(), "hex {text}");
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or("?"), 16);
    (0..text.len())
        .step_by(2)
        .map(|at| byte(at).with_context(|| format!("hex {text}")))
        .collect()
}
