//! What a port for datagrams and its program say to each other: frames on a line.
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::Malformed;

/// Bytes of a datagram at most: what the protocol allows.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Bytes of a frame beside those of its datagram.
pub const HEAD_BYTES: usize = 1 + 18 + 2;

/// A frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// A datagram.
    Datagram {
        /// Who has sent it, or is to get it.
        peer: SocketAddr,
        /// What is in it.
        bytes: &'a [u8],
    },
    /// So many datagrams came here, and nobody took them in time.
    Dropped(u32),
}

impl<'a> Frame<'a> {
    /// Puts it behind what is there.
    ///
    /// # Panics
    /// If the datagram is longer than datagrams are.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Datagram { peer, bytes } => {
                assert!(bytes.len() <= DATAGRAM_BYTES_MAX, "a datagram is no longer");
                let ip = match peer.ip() {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let length = u16::try_from(bytes.len()).expect("no more than the most");
                out.push(1);
                out.extend(ip.octets());
                out.extend(peer.port().to_le_bytes());
                out.extend(length.to_le_bytes());
                out.extend(bytes);
            }
            Self::Dropped(count) => {
                out.push(2);
                out.extend(count.to_le_bytes());
            }
        }
    }

    /// The first frame of these bytes, and how many it takes; `None` if there is not all of it.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((&kind, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        match kind {
            1 => Self::decode_datagram(rest),
            2 => Ok(rest.first_chunk().map(|count| {
                let frame = Self::Dropped(u32::from_le_bytes(*count));
                (frame, 1 + size_of::<u32>())
            })),
            _ => Err(Malformed),
        }
    }

    fn decode_datagram(rest: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((head, rest)) = rest.split_first_chunk::<{ HEAD_BYTES - 1 }>() else {
            return Ok(None);
        };
        let (ip, numbers) = head.split_first_chunk::<16>().expect("it is that long");
        let ip = Ipv6Addr::from(*ip);
        let port = u16::from_le_bytes([numbers[0], numbers[1]]);
        let length = usize::from(u16::from_le_bytes([numbers[2], numbers[3]]));
        if length > DATAGRAM_BYTES_MAX {
            return Err(Malformed);
        }
        let peer = match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(IpAddr::V4(ip), port),
            None => SocketAddrV6::new(ip, port, 0, 0).into(),
        };
        let frame = rest.get(..length).map(|bytes| {
            let frame = Self::Datagram { peer, bytes };
            (frame, HEAD_BYTES + length)
        });
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn frames_come_back_and_wait_for_their_last_byte() {
        for peer in ["127.0.0.1:53", "[::1]:65535", "[fe80::7]:1"] {
            let peer = peer.parse().unwrap();
            let frames = [
                Frame::Datagram {
                    peer,
                    bytes: b"hello",
                },
                Frame::Datagram { peer, bytes: b"" },
                Frame::Dropped(70_000),
            ];
            for frame in frames {
                let mut bytes = vec![];
                frame.encode(&mut bytes);
                assert_eq!(Frame::decode(&bytes), Ok(Some((frame, bytes.len()))));
                for end in 0..bytes.len() {
                    assert_eq!(Frame::decode(&bytes[..end]), Ok(None), "{frame:?} {end}");
                }
            }
        }
        assert_eq!(Frame::decode(&[9]), Err(Malformed));
        let mut long = vec![1; HEAD_BYTES];
        long[HEAD_BYTES - 2..].fill(0xFF);
        assert_eq!(Frame::decode(&long), Err(Malformed));
    }
}
