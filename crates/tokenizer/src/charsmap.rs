//! The table of normalization rules inside a `.model` file: which text becomes which.
//!
//! The file holds the length of a trie in bytes, the trie as a double array (the format of darts-clone), and the replacements
//! one after the other, each ended by a zero byte. A unit of the trie has 32 bits: a label in the lowest 8, whether a text ends
//! here in bit 8, whether the offset counts in 256 in bit 9, the offset in the 22 above; the unit of an end has bit 31 and the
//! place of the replacement.

/// The rules; empty where a model normalizes nothing.
#[derive(Debug, Default)]
pub struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

const END: u32 = 1 << 31;

impl Charsmap {
    /// Reads the table.
    pub fn parse(blob: &[u8]) -> Result<Charsmap, &'static str> {
        if blob.is_empty() {
            return Ok(Charsmap::default());
        }
        let (length, rest) = blob.split_first_chunk::<4>().ok_or("it is cut short")?;
        let length = u32::from_le_bytes(*length) as usize;
        if length >= rest.len() || !length.is_multiple_of(4) {
            return Err("the length of its trie is wrong");
        }
        let (trie, replacements) = rest.split_at(length);
        let unit = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let replacements = String::from_utf8(replacements.to_vec()).map_err(|_| "a replacement is no UTF-8")?;
        Ok(Charsmap { units: trie.chunks_exact(4).map(unit).collect(), replacements })
    }

    /// The longest text with a rule that `input` begins with: its length in bytes, and what it becomes.
    pub fn longest(&self, input: &str) -> Option<(usize, &str)> {
        let mut found = None;
        let mut at = offset(*self.units.first()?);
        for (length, byte) in (1..).zip(input.bytes()) {
            at ^= usize::from(byte);
            let Some(&unit) = self.units.get(at).filter(|&&unit| unit & (END | 0xff) == u32::from(byte)) else { break };
            at ^= offset(unit);
            if unit & (1 << 8) != 0 {
                let place = self.units.get(at).map_or(0, |&end| end & !END) as usize;
                let replacement = self.replacements.get(place..).and_then(|rest| rest.split('\0').next());
                // A rule for a part of a character would tear it.
                found = replacement.filter(|_| input.is_char_boundary(length)).map(|text| (length, text)).or(found);
            }
        }
        found
    }
}

/// How far the children of a unit are away, to be joined with its place by exclusive or.
fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie with one rule, `a` → `bc`: the root's children are at 256 ^ label.
    fn one_rule() -> Vec<u8> {
        let mut units = vec![0u32; 1024];
        units[0] = 256 << 10;
        units[256 ^ usize::from(b'a')] = (512 << 10) | (1 << 8) | u32::from(b'a');
        units[256 ^ usize::from(b'a') ^ 512] = END | 1;
        let trie: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        [&(trie.len() as u32).to_le_bytes()[..], &trie, b"\0bc\0"].concat()
    }

    #[test]
    fn a_rule_is_found_where_the_text_begins_with_it() {
        let map = Charsmap::parse(&one_rule()).unwrap();
        assert_eq!(map.longest("abc"), Some((1, "bc")));
        assert_eq!((map.longest("b"), map.longest("")), (None, None));
    }

    #[test]
    fn a_broken_table_is_refused_or_finds_nothing() {
        assert!(Charsmap::parse(&[1, 2]).is_err());
        assert!(Charsmap::parse(&[255, 255, 255, 255, 0]).is_err());
        let mut torn = one_rule();
        let last = torn.len() - 2;
        torn[last] = 0xff;
        assert_eq!(Charsmap::parse(&torn).unwrap_err(), "a replacement is no UTF-8");
        // An offset that leads out of the trie.
        let mut wild = one_rule();
        wild[4..8].copy_from_slice(&(0x3f_ffff_u32 << 10 | 1 << 9).to_le_bytes());
        assert_eq!(Charsmap::parse(&wild).unwrap().longest("abc"), None);
    }
}
