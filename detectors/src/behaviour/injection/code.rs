//! Code of the languages behind interfaces: PHP, JavaScript, Java, Perl, Ruby. A value that is a call, an opening tag, or a
//! class, where a value is expected.
//!
//! People search for `array_map()` too, so calls that do nothing to a server count only beside others.

use super::{Kind, Payload, Place, Text, Weight};

/// Functions that run commands or code, or read files.
const RUNNING: [&[u8]; 30] = [
    b"system",
    b"exec",
    b"shell_exec",
    b"passthru",
    b"popen",
    b"proc_open",
    b"pcntl_exec",
    b"eval",
    b"assert",
    b"create_function",
    b"call_user_func",
    b"call_user_func_array",
    b"phpinfo",
    b"base64_decode",
    b"file_get_contents",
    b"file_put_contents",
    b"readfile",
    b"fsockopen",
    b"include",
    b"require",
    b"include_once",
    b"require_once",
    b"os.system",
    b"os.popen",
    b"execsync",
    b"spawn",
    b"spawnsync",
    b"unserialize",
    b"move_uploaded_file",
    b"gzuncompress",
];

/// Packages of the platform whose classes a gadget is made of.
const PACKAGES: [&[u8]; 10] = [
    b"java.lang.",
    b"java.io.",
    b"java.util.",
    b"java.net.",
    b"java.rmi.",
    b"java.beans.",
    b"javax.script.",
    b"javax.naming.",
    b"org.apache.commons.",
    b"com.sun.",
];

/// What a value tries as code.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    let weight = script_file(text)
        .or_else(|| opening_tag(text))
        .or_else(|| class(text))
        .or_else(|| script(text))
        .or_else(|| call(text))?;
    Some(Payload::new(Kind::Code, weight))
}

/// What a name tries: to reach the prototype or the class loader, or a class itself.
pub(super) fn name(text: &Text<'_>) -> Option<Payload> {
    let reaches = text.has(b"__proto__")
        || text.has(b"constructor[prototype")
        || text.has(b"constructor.prototype")
        || text.has(b"classloader");
    (reaches || class(text).is_some()).then(|| Payload::sure(Kind::Code)).flatten()
}

/// A field that names a file to store, with an ending that servers run.
fn script_file(text: &Text<'_>) -> Option<Weight> {
    const ENDINGS: [&[u8]; 8] = [b"php", b"phtml", b"phar", b"phps", b"jsp", b"jspx", b"asp", b"aspx"];
    let name: Vec<u8> =
        text.name.iter().filter(|octet| octet.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
    if text.place != Place::Field || !name.ends_with(b"filename") {
        return None;
    }
    let file = text.lower.iter().rev().skip_while(|octet| !octet.is_ascii_alphanumeric()).count();
    let ending = text.lower.get(..file)?.rsplit(|octet| *octet == b'.').next()?;
    let ending = ending.trim_ascii_end();
    let stem = ending.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
    ENDINGS.contains(ending.get(..stem).as_ref()?).then_some(Weight::Sure)
}

/// `<?php`, `<?=`, `<? `; `<?xml` begins a document.
fn opening_tag(text: &Text<'_>) -> Option<Weight> {
    memchr::memmem::find_iter(text.lower, b"<?").take(4).find_map(|at| {
        let rest = text.lower.get(at + 2..).unwrap_or_default();
        let is_document =
            rest.starts_with(b"xml ") || rest.starts_with(b"xml\t") || rest.starts_with(b"xml-stylesheet");
        (!is_document).then_some(Weight::Sure)
    })
}

/// A class of the platform by its full name, and nothing else; or calls that lead to one.
fn class(text: &Text<'_>) -> Option<Weight> {
    let begins = PACKAGES.iter().any(|package| text.lower.starts_with(package));
    let is_name = text.raw.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'$' | b'_'));
    let leads = [
        &b"getruntime("[..],
        b".getclass(",
        b"forname(",
        b"processbuilder(",
        b"java.lang.runtime",
        b"getdeclaredmethod",
        b"newinstance(",
        b".classloader",
    ];
    (begins && is_name || leads.iter().any(|call| text.has(call)) && text.place != Place::Field).then_some(Weight::Sure)
}

/// JavaScript on a server.
fn script(text: &Text<'_>) -> Option<Weight> {
    let insides: [&[u8]; 8] = [
        b"child_process",
        b"process.mainmodule",
        b"process.binding",
        b"constructor._load",
        b"constructor.constructor",
        b"__proto__",
        b"global.process",
        b"this.constructor.",
    ];
    if insides.iter().any(|part| text.has(part)) {
        return Some(Weight::Sure);
    }
    // The value is a loop.
    let lower = text.lower.trim_ascii();
    let loops = lower
        .strip_prefix(b"while")
        .map(<[u8]>::trim_ascii_start)
        .filter(|rest| rest.starts_with(b"(") && memchr::memchr(b')', rest).is_some());
    if loops.is_some_and(|rest| rest.len() < 24 && !rest.contains(&b' ')) {
        return Some(Weight::Sure);
    }
    None
}

/// A call of a function, or of a string or an element as one.
fn call(text: &Text<'_>) -> Option<Weight> {
    let lower = text.lower;
    if [&b"$_get["[..], b"$_post[", b"$_request[", b"$_server[", b"$_cookie[", b"$_files[", b"${_get", b"$globals["]
        .iter()
        .any(|variable| text.has(variable))
    {
        return Some(Weight::Sure);
    }
    let mut best = None;
    for at in memchr::memchr_iter(b'(', lower).take(8) {
        let before = lower.get(..at).unwrap_or_default();
        let before = match before.strip_suffix(b"*/") {
            Some(comment) => {
                memchr::memmem::rfind(comment, b"/*").and_then(|start| comment.get(..start)).unwrap_or(comment)
            }
            None => before.trim_ascii_end(),
        };
        let len = before
            .iter()
            .rev()
            .take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.'))
            .count();
        let name = before.get(before.len() - len..).unwrap_or_default();
        // `"system"("id")`, `[system][0](id)`, `(sys.tem)(id)`
        let closes = name.is_empty()
            && at > 1
            && before.len() == at
            && matches!(before.last(), Some(b'"' | b'\'' | b']' | b')'))
            && memchr::memchr(b')', lower.get(at..).unwrap_or_default()).is_some_and(|end| end > 1);
        if closes && lower.ends_with(b";") {
            return Some(Weight::Sure);
        }
        if RUNNING.contains(&name)
            && memchr::memchr(b')', lower.get(at..).unwrap_or_default()).is_some()
            && before.len() + 8 > at
        {
            return Some(Weight::Sure);
        }
        if name.contains(&b'_') && name.len() > 4 {
            best = Some(Weight::Weak);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn code_where_a_value_is_expected() {
        for text in [
            "<?php system($_GET['c']);",
            "java.lang.Runtime",
            "require('child_process').exec('id')",
            "system('id');",
            "while(true);",
            "[system][0](ls);",
        ] {
            assert_eq!(kind(text), Some((Kind::Code, Weight::Sure)), "{text}");
        }
        assert_eq!(kind("array_map()"), Some((Kind::Code, Weight::Weak)));
        for text in ["f(x) = y", "java. or tea.", "name (optional)", "the system (new)", "Exec (retired) Smith"] {
            assert_ne!(kind(text).map(|found| found.1), Some(Weight::Weak), "{text}");
        }
    }
}
