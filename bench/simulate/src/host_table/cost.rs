//! What messages cost on the wire.

use wire::exchange::Message;

/// What a message costs: body, HTTP head, one TLS record, and Ethernet, IP and TCP headers of
/// its packets with their acknowledgement.
pub fn on_the_wire(message: &Message, head: u64) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, message).expect("a message is plain data");
    let content = count.0 + head + 22;
    let packets = content.div_ceil(1_448);
    content + packets * 66 + packets.div_ceil(2) * 66
}

/// `POST /v1/news HTTP/1.1` with host, content type and length.
pub const REQUEST_HEAD: u64 = 110;
/// `HTTP/1.1 200 OK` with date, content type and length.
pub const ANSWER_HEAD: u64 = 110;
