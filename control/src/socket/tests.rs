//! Both ends over a real socket, and every kind of bad guest.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver};
use serde_json::{Value, json};

use super::*;
use crate::api::{Batch, Client, Code, Edit, MAX_REQUEST, Query};

/// A directory of its own, removed at the end.
struct Room(PathBuf);

impl Room {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sluice-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("c.sock")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A control thread that gives every request back as text.
fn director(asks: Receiver<Ask>) -> JoinHandle<()> {
    thread::spawn(move || {
        for ask in asks {
            let text = format!("{:?}", ask.request);
            let refused = ApiError { code: Code::NoService, place: "key".into(), text: "no such service".into() };
            let answer =
                if text.contains("DeleteService") { Err(refused) } else { Ok(Answer::Text { text, next: None }) };
            _ = ask.reply.send(answer);
        }
    })
}

fn open(room: &Room) -> Server {
    let (handler, asks) = channel::bounded(4);
    director(asks);
    serve(&room.socket(), 0o660, None, handler).unwrap()
}

/// A guest who writes what it likes.
struct Guest(BufReader<UnixStream>);

impl Guest {
    fn new(room: &Room) -> Self {
        let stream = UnixStream::connect(room.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, line: &str) -> Value {
        self.say(format!("{line}\n").as_bytes());
        self.hear()
    }
}

/// Whether something comes true: guests who left are forgotten by a thread of their own.
fn soon(mut holds: impl FnMut() -> bool) -> bool {
    (0..1000).any(|_| {
        let held = holds();
        if !held {
            thread::sleep(Duration::from_millis(5));
        }
        held
    })
}

fn refusal(line: &str) -> (Value, String, String) {
    let (id, error) = parse_line(line.as_bytes()).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    (json!(id), error.place, error.text)
}

#[test]
fn requests_and_answers() {
    let room = Room::new();
    let _server = open(&room);
    let mut client = SocketClient::connect(&room.socket()).unwrap();
    assert_eq!(client.ask(Edit::Flush.into()).unwrap(), Answer::Text { text: "Edit(Flush)".into(), next: None });
    let batch: Request = Batch { requests: vec![Edit::Flush, Edit::Zero { key: None }], more: false }.into();
    let text = format!("{batch:?}");
    assert_eq!(client.ask(batch).unwrap(), Answer::Text { text, next: None });
    let mut guest = Guest::new(&room);
    let answer = guest.ask(r#"{"v":1,"id":-7,"op":"delete-service","key":{"fwmark":1,"family":"ipv4"}}"#);
    let error = json!({"code": "no-service", "where": "key", "text": "no such service"});
    assert_eq!(answer, json!({"v": 1, "id": -7, "error": error}));
    let answer = guest.ask(r#"{"v":1,"id":18446744073709551615,"op":"flush"}"#);
    assert_eq!(answer, json!({"v": 1, "id": u64::MAX, "ok": {"type": "text", "text": "Edit(Flush)", "next": null}}));
}

#[test]
fn refusals_name_the_field() {
    let (id, place, text) = refusal(r#"{"v":1,"id":3,"op":"nonsense"}"#);
    assert_eq!((id, place.as_str()), (json!(3), "op"));
    assert!(text.contains("unknown variant `nonsense`"), "{text}");
    let key = r#""key":{"protocol":"tcp","address":"10.0.0.1","port":80}"#;
    for (line, wanted, part) in [
        (r#"{"id":1,"op":"flush"}"#.to_owned(), "v", "is missing"),
        (r#"{"v":2,"id":1,"op":"flush"}"#.to_owned(), "v", "version 2 is not supported"),
        (r#"{"v":1,"id":1.5,"op":"flush"}"#.to_owned(), "id", "whole number"),
        (r#"{"v":1,"id":"x","op":"flush"}"#.to_owned(), "id", "whole number"),
        (r#"{"v":1,"id":1}"#.to_owned(), "op", "missing field"),
        (format!(r#"{{"v":1,"op":"flush",{key}}}"#), "key", "unknown field"),
        (r#"{"v":1,"op":"services","keys":null}"#.to_owned(), "keys", "unknown field"),
        (r#"{"v":1,"op":"services","a/b":null}"#.to_owned(), "a_b", "unknown field"),
        (r#"{"v":1,"op":"reload","prune":1}"#.to_owned(), "prune", "invalid type"),
        (r#"{"v":1,"op":"delete-service","key":{"port":1}}"#.to_owned(), "key", "a key is"),
        (format!(r#"{{"v":1,"op":"add-service","service":{{{key}}}}}"#), "service.scheduler", "missing field"),
        (format!(r#"{{"v":1,"op":"add-service","service":{{{key},"scheduler":"rr","x":1}}}}"#), "service.x", "unknown"),
        (
            format!(r#"{{"v":1,"op":"add-service","service":{{{key},"scheduler":5}}}}"#),
            "service.scheduler",
            "invalid type: integer `5`, expected a string",
        ),
        (
            format!(
                r#"{{"v":1,"op":"add-server",{key},"server":{{"address":"10.0.0.1:1","forward":"x","weight":1}}}}"#
            ),
            "server.forward",
            "unknown variant",
        ),
        (
            r#"{"v":1,"op":"batch","requests":[{"op":"flush"},{"op":"zero","x":1}]}"#.to_owned(),
            "requests[1] x",
            "unknown field",
        ),
        (r#"{"v":1,"op":"batch","requests":[{"op":"flush","v":1}]}"#.to_owned(), "requests[0] v", "unknown field"),
        (r#"{"v":1,"op":"batch","requests":[7]}"#.to_owned(), "requests[0]", "not an object"),
        (
            r#"{"v":1,"op":"batch","requests":[{"op":"flush"},{"op":"status"}]}"#.to_owned(),
            "requests[1]",
            "only changes of the table can be part of a batch",
        ),
        (r#"{"v":1,"op":"batch"}"#.to_owned(), "requests", "missing"),
        (r#"{"v":1,"op":"batch","requests":[],"y":1}"#.to_owned(), "y", "unknown field"),
        (r#"{"v":1,"op":"timeouts","op":"flush"}"#.to_owned(), "", "duplicate key \"op\""),
        ("[1]".to_owned(), "", "not a JSON object"),
        (String::new(), "", "not JSON"),
        ("[".repeat(100_000), "", "not JSON"),
        (format!(r#"{{"v":1,"op":"batch","requests":{}}}"#, "[".repeat(100_000)), "", "not JSON"),
    ] {
        let (_, place, text) = refusal(&line);
        let shown: String = line.chars().take(100).collect();
        assert!(place == wanted && text.contains(part), "{shown}: {place}: {text}");
    }
    assert!(parse_line(br#"{"v":1,"op":"flush"}"#).is_ok_and(|(id, _)| id.is_none()));
}

#[test]
fn hostile_lines_do_not_end_the_conversation() {
    let room = Room::new();
    let _server = open(&room);
    let mut guest = Guest::new(&room);
    let garbage: [&[u8]; 5] = [b"garbage\n", b"\n", b"\xff\xfe\x00\n", b"{\"v\":1,\"id\":9,\"op\":\n", b"\0\0\0\0\n"];
    for line in garbage {
        guest.say(line);
        let answer = guest.hear();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!("bad-request")), "{line:?}");
    }
    // A line of the greatest length, one byte more, and a very long one, in pieces.
    let request = r#"{"v":1,"id":1,"op":"flush"}"#;
    guest.say(format!("{request}{}\n", " ".repeat(MAX_REQUEST - request.len())).as_bytes());
    assert_eq!(guest.hear()["ok"]["text"], "Edit(Flush)");
    for length in [MAX_REQUEST + 1, 5 * MAX_REQUEST] {
        guest.say(&vec![b'x'; length]);
        guest.say(b"\n");
        let answer = guest.hear();
        assert!(answer["error"]["text"].as_str().unwrap().contains("too long"), "{answer}");
    }
    assert_eq!(guest.ask(request)["ok"]["text"], "Edit(Flush)");
}

#[test]
fn half_a_line_and_no_answer_wanted() {
    let room = Room::new();
    let server = open(&room);
    for half in [&b"{\"v\":1,\"id\":1,\"op\":\"fl"[..], b"{\"v\":1,\"id\":4,\"op\":\"flush\"}", b""] {
        let mut guest = Guest::new(&room);
        guest.say(half);
        guest.0.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = String::new();
        guest.0.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.lines().count(), usize::from(!half.is_empty()), "{rest}");
        assert_eq!(rest.contains("\"ok\""), half.ends_with(b"}"), "{rest}");
    }
    // Guests who leave at once, some of them turned away meanwhile.
    for _ in 0..200 {
        let line = b"{\"v\":1,\"id\":1,\"op\":\"flush\"}\n{\"v\":";
        _ = Guest::new(&room).0.get_mut().write_all(line);
    }
    assert!(soon(|| SocketClient::connect(&room.socket()).unwrap().ask(Edit::Flush.into()).is_ok()));
    drop(server);
}

#[test]
fn slow_guests_hold_nobody_up_and_idle_ones_go() {
    let room = Room::new();
    let server = open(&room);
    let mut slow: Vec<Guest> = (0..MAX_CONNECTIONS).map(|_| Guest::new(&room)).collect();
    slow.iter_mut().for_each(|guest| guest.say(b"{\"v\":1"));
    let mut client = SocketClient::connect(&room.socket()).unwrap();
    assert!(client.ask(Edit::Flush.into()).is_ok(), "half a line is idling, too");
    let told = slow[0].hear();
    assert_eq!(told["error"]["code"], "full", "{told}");
    assert!(told["error"]["text"].as_str().unwrap().contains("idle for the longest time"), "{told}");
    slow[1].say(b",\"id\":1,\"op\":\"flush\"}\n");
    assert_eq!(slow[1].hear()["ok"]["text"], "Edit(Flush)", "the others stay");
    let before = Instant::now();
    drop(server);
    assert!(before.elapsed() < Duration::from_secs(2));
    assert_eq!(client.ask(Edit::Flush.into()).unwrap_err().code, Code::Internal);
    assert!(!room.socket().exists());
}

#[test]
fn who_asks_is_told_to_the_director() {
    let room = Room::new();
    let (handler, asks) = channel::bounded::<Ask>(1);
    let _server = serve(&room.socket(), 0o660, None, handler).unwrap();
    Guest::new(&room).say(b"{\"v\":1,\"op\":\"flush\"}\n");
    let told = asks.recv().unwrap().requester.to_string();
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let uid = std::fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(told, format!("{} (uid {uid}, pid {})", comm.trim(), std::process::id()));
}

#[test]
fn closing_does_not_wait_for_a_silent_director() {
    let room = Room::new();
    let (handler, asks) = channel::bounded(1);
    let server = serve(&room.socket(), 0o660, None, handler).unwrap();
    let mut guests: Vec<Guest> = (0..3).map(|_| Guest::new(&room)).collect();
    guests.iter_mut().for_each(|guest| guest.say(b"{\"v\":1,\"op\":\"flush\"}\n"));
    let pending = asks.recv().unwrap();
    let before = Instant::now();
    drop(server);
    assert!(before.elapsed() < Duration::from_secs(2));
    drop(pending);
}

#[test]
fn a_director_that_went_away_or_forgot() {
    let room = Room::new();
    let (handler, asks) = channel::bounded::<Ask>(1);
    let _server = serve(&room.socket(), 0o660, None, handler).unwrap();
    let forgets = thread::spawn(move || drop(asks.recv().unwrap()));
    let ask = || SocketClient::connect(&room.socket()).unwrap().ask(Edit::Flush.into()).unwrap_err();
    assert_eq!(ask().code, Code::Internal);
    forgets.join().unwrap();
    assert_eq!(ask().code, Code::Internal);
}

#[test]
fn the_socket_as_a_file() {
    let room = Room::new();
    let deep = room.0.join("run/sluice/c.sock");
    let (handler, _asks) = channel::bounded(1);
    let server = serve(&deep, 0o660, Some("0"), handler.clone()).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&deep), mode(deep.parent().unwrap())), (0o660, 0o755));
    assert_eq!(std::fs::read_dir(deep.parent().unwrap()).unwrap().count(), 1);
    let live = serve(&deep, 0o660, None, handler.clone()).unwrap_err();
    assert_eq!(live.to_string(), format!("another director listens on {}", deep.display()));
    drop(server);
    assert!(!deep.exists());
    drop(UnixListener::bind(&deep).unwrap());
    let server = serve(&deep, 0o660, None, handler.clone()).unwrap();
    // Somebody else's socket in our place is not ours to remove.
    std::fs::remove_file(&deep).unwrap();
    let _other = UnixListener::bind(&deep).unwrap();
    drop(server);
    assert!(deep.exists());
    let plain = room.0.join("plain");
    std::fs::write(&plain, "precious").unwrap();
    let error = serve(&plain, 0o660, None, handler.clone()).unwrap_err().to_string();
    assert!(error.contains("is not a socket") && plain.exists(), "{error}");
    let error = serve(&room.socket(), 0o660, Some("no such group"), handler).unwrap_err().to_string();
    assert!(error.contains("no group \"no such group\"") && !room.socket().exists(), "{error}");
}

#[test]
fn nobody_there() {
    let room = Room::new();
    let error = SocketClient::connect(&room.socket()).unwrap_err();
    let wanted = format!("no director listens on {}; start one with: sluiced", room.socket().display());
    assert!(error.text.starts_with(&wanted), "{error}");
    drop(UnixListener::bind(room.socket()).unwrap());
    let error = SocketClient::connect(&room.socket()).unwrap_err();
    assert!(error.text.starts_with(&wanted), "{error}");
    let large = Query::Proc { name: "x".repeat(MAX_REQUEST), cursor: None }.into();
    let _server = {
        std::fs::remove_file(room.socket()).unwrap();
        open(&room)
    };
    let error = SocketClient::connect(&room.socket()).unwrap().ask(large).unwrap_err();
    assert_eq!(error.code, Code::BadRequest, "{error}");
}

/// A small generator, so that the thousand lines are the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}

#[test]
fn a_thousand_damaged_requests() {
    let room = Room::new();
    let _server = open(&room);
    let mut guest = Guest::new(&room);
    let seeds = [
        r#"{"v":1,"id":7,"op":"add-service","service":{"key":{"protocol":"tcp","address":"10.0.0.1","port":80},"scheduler":"rr"}}"#,
        r#"{"v":1,"id":8,"op":"add-server","key":{"fwmark":1,"family":"ipv6"},"server":{"address":"[::1]:1","forward":"nat","weight":1}}"#,
        r#"{"v":1,"id":9,"op":"batch","requests":[{"op":"flush"},{"op":"connections","cursor":1,"limit":2}]}"#,
    ];
    let pieces: [&[u8]; 12] =
        [b"\"", b"{", b"}", b"[", b"]", b",", b":", b"null", b"-1", b"1e999", b"\xc3", b"\\u0000"];
    let mut chance = Chance(1);
    for _ in 0..1000 {
        let mut line = seeds[chance.below(seeds.len())].as_bytes().to_vec();
        for _ in 0..=chance.below(4) {
            let at = chance.below(line.len());
            let end = (at + chance.below(6)).min(line.len());
            line.splice(at..end, pieces[chance.below(pieces.len())].iter().copied());
        }
        line.push(b'\n');
        guest.say(&line);
        let answer = guest.hear();
        assert!(answer["ok"].is_object() != answer["error"].is_object(), "{answer}");
    }
}
