//! Master keys that the environment names.
//!
//! | variable | holds |
//! | --- | --- |
//! | `AIAS_MASTER_KEY` | base64 of 32 bytes; several, newest first, with commas between them |
//! | `AIAS_MASTER_KEY_FILE` | a file with such keys, one a line, newest first; what follows `#` is a note |

use zeroize::Zeroizing;

use super::KeyRing;
use crate::error::MasterKeyError;

const KEY: &str = "AIAS_MASTER_KEY";
const FILE: &str = "AIAS_MASTER_KEY_FILE";

impl KeyRing {
    /// `None` when neither variable is set; an empty one counts as not set.
    ///
    /// # Errors
    /// When both are set, the file cannot be read, or a key is not base64 of 32 bytes.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, MasterKeyError> {
        let read = |name| {
            variable(name)
                .map(Zeroizing::new)
                .filter(|value| !value.trim().is_empty())
        };
        let (name, text) = match (read(KEY), read(FILE)) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(problem(
                    FILE,
                    format!("is set, and so is {KEY}; set one of the two"),
                ));
            }
            (Some(keys), None) => (KEY, keys),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path.trim())
                    .map_err(|error| problem(FILE, format!("cannot be read: {error}")))?;
                (FILE, Zeroizing::new(text))
            }
        };
        match Self::parse(&text) {
            Ok(Some(keys)) => Ok(Some(keys)),
            Ok(None) => Err(problem(name, "has no key in it".to_owned())),
            Err(what) => Err(problem(name, what)),
        }
    }
}

fn problem(variable: &'static str, problem: String) -> MasterKeyError {
    MasterKeyError { variable, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKeys;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const B: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn read(pairs: &[(&str, &str)]) -> Result<Option<KeyRing>, String> {
        KeyRing::from_variables(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_key_is_the_newest() {
        let ring = |text: &str| read(&[(KEY, text)]).unwrap().unwrap();
        let newest = |text: &str| ring(text).newest().to_owned();
        assert_ne!(newest(A), newest(B));
        assert_eq!(newest(&format!("{B},{A}")), newest(B));
        assert_eq!(newest(&format!(" {A} , {B}")), newest(A));
    }

    #[test]
    fn a_file_has_a_key_a_line_and_notes() {
        let path = std::env::temp_dir().join(format!("aias-master-keys-{}", std::process::id()));
        std::fs::write(&path, format!("# ours\n{B} # since May\n\n{A}\n")).unwrap();
        let ring = read(&[(FILE, path.to_str().unwrap())]).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(ring.0.len(), 2);
        assert_eq!(ring.newest(), read(&[(KEY, B)]).unwrap().unwrap().newest());
    }

    #[test]
    fn without_a_variable_there_are_no_keys() {
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[(KEY, " "), (FILE, "")]).unwrap().is_none());
    }

    #[test]
    fn a_mistake_is_named_and_not_repeated() {
        for (pairs, wanted) in [
            (
                vec![(KEY, "hunter2!")],
                "AIAS_MASTER_KEY: key 1 is not base64",
            ),
            (
                vec![(KEY, "aHVudGVyMg==")],
                "AIAS_MASTER_KEY: key 1 has 7 bytes; a master key has 32 (openssl rand -base64 32)",
            ),
            (
                vec![(KEY, &*format!("{A},{A}"))],
                "AIAS_MASTER_KEY: key 2 is there twice",
            ),
            (vec![(KEY, "# none")], "AIAS_MASTER_KEY: has no key in it"),
            (
                vec![(FILE, "/nowhere/at/all")],
                "AIAS_MASTER_KEY_FILE: cannot be read: ",
            ),
            (
                vec![(KEY, A), (FILE, "/x")],
                "AIAS_MASTER_KEY_FILE: is set, and so is AIAS_MASTER_KEY",
            ),
        ] {
            let error = read(&pairs).unwrap_err();
            assert!(error.starts_with(wanted), "{error} / {wanted}");
            assert!(!error.contains("hunter2") && !error.contains(A), "{error}");
        }
    }
}
