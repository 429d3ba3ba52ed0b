//! Which endpoint a path belongs to, where form alone does not tell: `/shop/blue-shirt` and `/shop/red-hat` are one.
//!
//! Paths come as templates, in which what varies by its form is masked already. What is left are words. A level at which a
//! server accepts more different words than an interface has operations is one of names, and becomes `{name}`. Only what a
//! server accepted counts: who asks for made-up paths does not change what the real ones are called.

use std::collections::HashMap;
use std::sync::Arc;

use crate::observation::ExchangeContext;
use crate::visit::{Hashing, Object, Outcome, Place, Visit};

/// How many different words a level may have before it is one of names: interfaces have some dozens of resources at most
/// on one level, catalogues have hundreds of things.
const WORDS: usize = 48;

/// How many levels are kept in all, at about 200 octets each. Past that new paths keep their words.
const LEVELS: usize = 100_000;

/// What stands for a level of names.
const NAME: &str = "{name}";

/// The levels of all paths that servers accepted.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    hosts: HashMap<Arc<str>, usize>,
    levels: Vec<Level>,
    /// Templates that were settled, and what they are called. Forgotten when a level becomes one of names.
    settled: HashMap<Template, Arc<str>>,
}

/// A host and a path template.
type Template = (Option<Arc<str>>, Arc<str>);

/// One place in paths.
#[derive(Debug, Default)]
struct Level {
    below: HashMap<Box<str>, usize>,
    /// How many of these are words.
    words: usize,
    /// Where all words lead, once they are names.
    names: Option<usize>,
}

impl Endpoints {
    /// Gives the visit's endpoint the name it goes by, and takes what a name stood for as an object.
    pub(super) fn settle(&mut self, visit: &mut Visit, hashing: &Hashing) {
        let ExchangeContext { host, endpoint: Some(template), .. } = &visit.context else { return };
        let key = (host.clone(), template.clone());
        let named = match self.settled.get(&key) {
            Some(named) => named.clone(),
            None => {
                let named = self.name(&key, visit.outcome == Outcome::Accepted);
                if self.settled.len() >= LEVELS {
                    self.settled.clear();
                }
                if visit.outcome == Outcome::Accepted {
                    self.settled.insert(key, named.clone());
                }
                named
            }
        };
        if named != *template {
            for (number, (word, name)) in template.split('/').skip(1).zip(named.split('/').skip(1)).enumerate() {
                if word != name {
                    let place = Place::Segment(u8::try_from(number).unwrap_or(u8::MAX));
                    visit.objects.push(Object { hash: hashing.hash(word.as_bytes()), number: None, place });
                }
            }
            visit.context.endpoint = Some(named);
        }
    }

    fn name(&mut self, (host, template): &Template, is_accepted: bool) -> Arc<str> {
        let host = host.clone().unwrap_or_default();
        let mut level = match self.hosts.get(&host) {
            Some(level) => Some(*level),
            None if is_accepted => self.add(),
            None => None,
        };
        if let Some(level) = level {
            self.hosts.insert(host, level);
        }
        let mut named = String::with_capacity(template.len());
        for segment in template.split('/').skip(1) {
            named.push('/');
            let (shown, below) = self.step(level, segment, is_accepted);
            named.push_str(if shown == Shown::Name { NAME } else { segment });
            level = below;
        }
        if named.is_empty() || *named == **template { template.clone() } else { named.into() }
    }

    /// What a segment is called at a level, and the level below it.
    fn step(&mut self, level: Option<usize>, segment: &str, is_accepted: bool) -> (Shown, Option<usize>) {
        let Some(at) = level else { return (Shown::AsIs, None) };
        let is_word = !segment.starts_with('{') && !segment.is_empty();
        let Some(Level { below, names, words }) = self.levels.get(at) else { return (Shown::AsIs, None) };
        if let Some(below) = below.get(segment) {
            return (Shown::AsIs, Some(*below));
        }
        if let Some(names) = names.filter(|_| is_word) {
            return (Shown::Name, Some(names));
        }
        if !is_accepted {
            return (Shown::AsIs, None);
        }
        if is_word && *words >= WORDS {
            return (Shown::Name, self.collapse(at));
        }
        let new = self.add();
        if let (Some(new), Some(level)) = (new, self.levels.get_mut(at)) {
            level.below.insert(segment.into(), new);
            level.words += usize::from(is_word);
        }
        (Shown::AsIs, new)
    }

    /// From here on words at this level are names. Those that are known keep their own: what hangs on them goes on.
    fn collapse(&mut self, at: usize) -> Option<usize> {
        let names = self.add();
        if let Some(level) = self.levels.get_mut(at) {
            level.names = names;
        }
        self.settled.clear();
        names
    }

    fn add(&mut self) -> Option<usize> {
        if self.levels.len() >= LEVELS {
            return None;
        }
        self.levels.push(Level::default());
        Some(self.levels.len() - 1)
    }
}

#[derive(PartialEq, Eq)]
enum Shown {
    AsIs,
    Name,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::visit;

    fn settled(endpoints: &mut Endpoints, path: &str, status: u16) -> (String, usize) {
        let mut visit = visit("10.0.0.1", path, status);
        endpoints.settle(&mut visit, &Hashing::new([1; 32]));
        (visit.context.endpoint.unwrap().to_string(), visit.objects.as_slice().len())
    }

    fn word(number: usize) -> String {
        let letter = |digit: usize| char::from(b'a' + (digit % 26) as u8);
        [letter(number / 26), letter(number), 'z'].iter().collect()
    }

    #[test]
    fn a_level_with_many_words_is_one_of_names() {
        let mut endpoints = Endpoints::default();
        for number in 0..WORDS {
            assert_eq!(
                settled(&mut endpoints, &format!("/shop/{}", word(number)), 200).0,
                format!("/shop/{}", word(number))
            );
        }
        assert_eq!(settled(&mut endpoints, "/shop/yonder", 200), ("/shop/{name}".into(), 1));
        assert_eq!(settled(&mut endpoints, "/shop/thither/reviews", 404), ("/shop/{name}/reviews".into(), 1));
        assert_eq!(settled(&mut endpoints, "/shop/17", 200), ("/shop/{int}".into(), 0));
        assert_eq!(settled(&mut endpoints, "/other/yonder", 200).0, "/other/yonder");
        // What was there before keeps its name.
        assert_eq!(settled(&mut endpoints, "/shop/aaz", 200).0, "/shop/aaz");
    }

    #[test]
    fn what_a_server_refuses_counts_for_nothing() {
        let mut endpoints = Endpoints::default();
        for number in 0..10 * WORDS {
            settled(&mut endpoints, &format!("/{}", word(number)), 404);
        }
        assert_eq!(settled(&mut endpoints, "/real", 200).0, "/real");
        assert!(endpoints.levels.len() < 5);
    }
}
