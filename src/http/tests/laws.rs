//! What holds for any conversation, however its octets come.

use proptest::prelude::*;

use super::rig::{Acknowledged, GET, Rig, Seen, lines};
use crate::tcp::Direction::{Forward, Reverse};
use crate::tcp::StreamEvent;

/// A message of a conversation, and how it is sent.
#[derive(Clone, Debug)]
struct Talk {
    request: Vec<u8>,
    response: Vec<u8>,
    line: String,
    content: Vec<u8>,
}

prop_compose! {
    fn talk()(
        target in "/[a-z]{0,9}",
        post in prop::option::of(prop::collection::vec(any::<u8>(), 0..30)),
        status in prop::sample::select(vec![200_u16, 201, 204, 304, 404, 500]),
        content in prop::collection::vec(any::<u8>(), 0..80),
        interim in any::<bool>(),
        chunk in prop::option::of(1_usize..20),
        head in any::<bool>(),
    ) -> Talk {
        let method = match (&post, head) { (Some(_), _) => "POST", (_, true) => "HEAD", _ => "GET" };
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n").into_bytes();
        if let Some(post) = &post {
            request.extend(format!("Content-Length: {}\r\n", post.len()).bytes());
        }
        request.extend(b"\r\n");
        request.extend(post.unwrap_or_default());
        let mut response = if interim { b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".to_vec() } else { vec![] };
        response.extend(format!("HTTP/1.1 {status} x\r\n").bytes());
        let content = if matches!(status, 204 | 304) || method == "HEAD" { vec![] } else { content };
        if method == "HEAD" {
            response.extend(b"Content-Length: 77\r\n\r\n");
        } else if matches!(status, 204 | 304) {
            response.extend(b"\r\n");
        } else if let Some(size) = chunk {
            response.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in content.chunks(size) {
                response.extend(format!("{:x}\r\n", chunk.len()).bytes());
                response.extend(chunk);
                response.extend(b"\r\n");
            }
            response.extend(b"0\r\n\r\n");
        } else {
            response.extend(format!("Content-Length: {}\r\n\r\n", content.len()).bytes());
            response.extend(&content);
        }
        Talk { request, response, line: format!("{method} {target} {status}"), content }
    }
}

/// Plays both directions in pieces, in any interleaving, the way the layer below would: the server has acknowledged all requests.
fn play(talks: &[Talk], pieces: &[(bool, usize)]) -> Vec<Seen> {
    let mut rig = Rig::new();
    let streams: [Vec<u8>; 2] = [
        talks.iter().flat_map(|talk| talk.request.clone()).collect(),
        talks.iter().flat_map(|talk| talk.response.clone()).collect(),
    ];
    let mut sent = [0_usize; 2];
    let rest = [(true, usize::MAX / 2), (false, usize::MAX / 2)];
    for (from_client, size) in pieces.iter().chain(&rest) {
        let (direction, side) = if *from_client { (Forward, 0) } else { (Reverse, 1) };
        let end = (sent[side] + size).min(streams[side].len());
        rig.acknowledged = if side == 1 { Acknowledged::UpTo(streams[0].len() as u64) } else { Acknowledged::Unknown };
        rig.event(direction, StreamEvent::Data(&streams[side][sent[side]..end]));
        sent[side] = end;
    }
    let mut seen = rig.finish();
    // Numbers tell apart what one frame gave; here the frames differ.
    seen.iter_mut().for_each(|seen| seen.ordinal = 0);
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_any_size_give_the_same_exchanges(
        talks in prop::collection::vec(talk(), 1..5),
        sizes in prop::collection::vec(1_usize..60, 0..40),
    ) {
        // Requests first, so that only the pieces differ.
        let whole = play(&talks, &[]);
        prop_assert_eq!(lines(&whole), talks.iter().map(|talk| talk.line.clone()).collect::<Vec<_>>());
        for (seen, talk) in whole.iter().zip(&talks) {
            prop_assert_eq!(&seen.content, &talk.content);
            prop_assert!(seen.completeness.is_complete());
        }
        let client = sizes.iter().map(|size| (true, *size)).chain([(true, usize::MAX / 2)]);
        let server = sizes.iter().map(|size| (false, *size));
        let pieces: Vec<(bool, usize)> = client.chain(server).collect();
        prop_assert_eq!(play(&talks, &pieces), whole);
    }

    #[test]
    fn any_interleaving_gives_the_same_pairs(
        talks in prop::collection::vec(talk().prop_filter("a response to HEAD needs its request", |talk| !talk.line.starts_with("HEAD")), 1..5),
        pieces in prop::collection::vec((any::<bool>(), 1_usize..90), 0..40),
    ) {
        let seen = play(&talks, &pieces);
        prop_assert_eq!(lines(&seen), talks.iter().map(|talk| talk.line.clone()).collect::<Vec<_>>());
        for (seen, talk) in seen.iter().zip(&talks) {
            prop_assert_eq!(&seen.content, &talk.content);
        }
    }

    #[test]
    fn a_lost_segment_costs_only_what_was_in_it(
        talks in prop::collection::vec(talk(), 2..6),
        at in 0_usize..6,
        from in 0.0..1.0_f64,
        len in 1_usize..60,
    ) {
        // A client that waits for each response; in one of them octets are missing.
        let mut rig = Rig::new();
        let damaged = at % talks.len();
        for (n, talk) in talks.iter().enumerate() {
            rig.wait(1).client(&talk.request);
            if n == damaged {
                let from = (from * talk.response.len() as f64) as usize;
                let to = (from + len).min(talk.response.len());
                rig.server(&talk.response[..from]).gap(Reverse, (to - from) as u64).server(&talk.response[to..]);
            } else {
                rig.server(&talk.response);
            }
        }
        let seen = rig.finish();
        prop_assert!(seen.len() <= talks.len(), "{:?}", lines(&seen));
        for (n, (seen, talk)) in seen.iter().zip(&talks).enumerate() {
            if n < damaged {
                prop_assert_eq!(seen.line(), talk.line.clone());
            }
            prop_assert!(!seen.completeness.is_complete() || seen.line() == talk.line);
        }
    }

    #[test]
    fn arbitrary_events_are_survived(
        events in prop::collection::vec((any::<bool>(), 0_u8..12, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let mut rig = Rig::new();
        for (forward, kind, noise) in &events {
            let direction = if *forward { Forward } else { Reverse };
            rig.acknowledged = match noise.len() % 4 {
                0 => Acknowledged::More,
                1 => Acknowledged::UpTo(noise.len() as u64 * 9),
                2 => Acknowledged::Told,
                _ => Acknowledged::Unknown,
            };
            let known: &[u8] = match kind {
                0 => GET,
                1 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                2 => b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
                3 => b"5\r\nhello\r\n0\r\n\r\n",
                4 => b"GET /x\r\n",
                5 => b"POST / HTTP/1.1\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n",
                6 => b"\r\n \r\n",
                7 => b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate, br\r\n\r\n",
                _ => noise,
            };
            match kind {
                8 => rig.gap(direction, noise.len() as u64 + 1),
                9 if noise.len() > 35 => rig.fin(direction),
                10 => rig.wait(noise.len() as u32),
                _ => rig.event(direction, StreamEvent::Data(known)),
            };
        }
        rig.finish();
    }
}
