//! A server before the simulator that says what a test wants it to, and what the simulator says otherwise.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use flate2::{Compress, Compression, FlushCompress};

/// What is written in place of the simulator's answer.
pub type Reply = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// A front; its thread ends with the process.
pub struct Front {
    /// Where it listens.
    pub url: String,
    /// Targets it was asked for.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Before the simulator at `behind`. `choose` gets the target of a call and a way to ask the simulator for its body.
    pub fn start(
        behind: &str,
        choose: impl Fn(&str, &dyn Fn() -> String) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = behind.strip_prefix("http://").unwrap().to_owned();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (choose, log) = (Arc::new(choose), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (choose, log, behind) = (choose.clone(), log.clone(), behind.clone());
                std::thread::spawn(move || {
                    let Some(target) = target_of(&stream) else { return };
                    log.lock().unwrap().push(target.clone());
                    let original = || ask(&behind, &target);
                    let body = || String::from_utf8(body_of(&original()).to_vec()).unwrap();
                    let mut stream = stream;
                    // Who has had enough hangs up.
                    let _ = match choose(&target, &body) {
                        Some(reply) => reply(&mut stream),
                        None => stream.write_all(&original()),
                    };
                });
            }
        });
        Self { url, asked }
    }
}

fn target_of(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    first.split(' ').nth(1).map(ToOwned::to_owned)
}

fn ask(behind: &str, target: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(behind).unwrap();
    let head = "Host: simulator\r\nAuthorization: Bearer simulator-token\r\nConnection: close";
    write!(stream, "GET {target} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn body_of(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &answer[end + 4..]
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";

/// A body as it is.
pub fn json(body: impl Into<Vec<u8>>) -> Reply {
    let body = body.into();
    Box::new(move |to| {
        write!(to, "{HEAD}Content-Length: {}\r\n\r\n", body.len())?;
        to.write_all(&body)
    })
}

/// A body of `beginning` and so many megabytes of one letter, whose size nobody says.
pub fn long(beginning: &'static str, megabytes: usize, end: &'static str) -> Reply {
    Box::new(move |to| {
        write!(to, "{HEAD}\r\n{beginning}")?;
        let piece = vec![b'a'; 1 << 20];
        (0..megabytes).try_for_each(|_| to.write_all(&piece))?;
        to.write_all(end.as_bytes())
    })
}

/// The same, packed.
pub fn packed(beginning: &'static str, megabytes: usize) -> Reply {
    Box::new(move |to| {
        write!(to, "{HEAD}Content-Encoding: gzip\r\n\r\n")?;
        to.write_all(&bomb(beginning, megabytes))
    })
}

/// A gzip file of `beginning` and so many megabytes of one letter, of about a thousandth of that. Every megabyte is packed
/// by itself, so that one of them is packed once and written often.
pub fn bomb(beginning: &str, megabytes: usize) -> Vec<u8> {
    let mut packer = Compress::new(Compression::best(), false);
    let mut flushed = |bytes: &[u8]| {
        let mut packed = Vec::with_capacity(64 << 10);
        packer.compress_vec(bytes, &mut packed, FlushCompress::Full).unwrap();
        packed
    };
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    file.extend(flushed(beginning.as_bytes()));
    let piece = flushed(&vec![b'a'; 1 << 20]);
    file.extend(piece.repeat(megabytes));
    file
}
