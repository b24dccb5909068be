//! How many connections there are at once, and whose. Nobody can keep others out: where there is no seat left, who came
//! first of whoever has the most makes room, those before others who have not shown that they may come in.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// In all. A page takes one or two.
const MOST: usize = 256;

/// Of one peer. All that come through one tunnel are one.
const EACH: usize = 64;

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Address(IpAddr),
    /// The first 64 bits of an IPv6 address: whoever has one of such a network has all of them.
    Network(u64),
    /// Through a socket of this machine, by the kernel's word; none where it does not say.
    User(Option<u32>),
}

impl Peer {
    pub fn at(address: IpAddr) -> Peer {
        match address.to_canonical() {
            IpAddr::V6(six) if !six.is_loopback() => Peer::Network((six.to_bits() >> 64) as u64),
            address => Peer::Address(address),
        }
    }
}

/// What others learn of a connection.
#[derive(Clone, Default)]
pub struct Shown(Arc<AtomicBool>);

impl Shown {
    /// It has shown that it may come in.
    pub fn is_let_in(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub struct Seats(Mutex<All>);

#[derive(Default)]
struct All {
    /// In the order in which they came.
    taken: Vec<Taken>,
    next: u64,
}

struct Taken {
    number: u64,
    peer: Peer,
    shown: Shown,
    leave: CancellationToken,
}

/// A seat, until it is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    pub shown: Shown,
    /// Once another takes it.
    pub leave: CancellationToken,
}

impl Seats {
    /// There is always one; another may have to leave.
    pub fn take(self: &Arc<Self>, peer: Peer) -> Seat {
        let mut all = self.open();
        if let Some(peer) = all.too_many(peer) {
            all.dismiss(peer);
        }
        let (number, shown, leave) = (all.next, Shown::default(), CancellationToken::new());
        all.next += 1;
        all.taken.push(Taken { number, peer, shown: shown.clone(), leave: leave.clone() });
        Seat { seats: self.clone(), number, shown, leave }
    }

    fn open(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn of(&self, peer: Peer) -> usize {
        self.taken.iter().filter(|taken| taken.peer == peer).count()
    }

    /// Who has to make room for one more of a peer's.
    fn too_many(&self, peer: Peer) -> Option<Peer> {
        if self.of(peer) >= EACH {
            return Some(peer);
        }
        let most = || self.taken.iter().map(|taken| taken.peer).max_by_key(|peer| self.of(*peer));
        (self.taken.len() >= MOST).then(most).flatten()
    }

    fn dismiss(&mut self, peer: Peer) {
        let of_peer = self.taken.iter().enumerate().filter(|(_, taken)| taken.peer == peer);
        let first = of_peer.min_by_key(|(place, taken)| (taken.shown.0.load(Ordering::Relaxed), *place));
        if let Some((place, _)) = first {
            self.taken.remove(place).leave.cancel();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.open().taken.retain(|taken| taken.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> Peer {
        Peer::at(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn who_has_too_many_loses_the_first_that_was_not_let_in() {
        let seats = Arc::new(Seats::default());
        let mine: Vec<Seat> = (0..EACH).map(|_| seats.take(at(1))).collect();
        let other = seats.take(at(2));
        mine[0].shown.is_let_in();
        let next = seats.take(at(1));
        let left: Vec<bool> = mine.iter().map(|seat| seat.leave.is_cancelled()).collect();
        assert!(!left[0] && left[1] && !left[2..].contains(&true));
        assert!(!next.leave.is_cancelled() && !other.leave.is_cancelled());
    }

    #[test]
    fn where_all_seats_are_taken_who_has_the_most_makes_room() {
        let seats = Arc::new(Seats::default());
        let all: Vec<Seat> =
            (0..MOST).map(|number| seats.take(at(if number < 5 { 200 } else { (number % 5) as u8 }))).collect();
        let new = seats.take(at(100));
        let left: Vec<usize> = (0..MOST).filter(|number| all[*number].leave.is_cancelled()).collect();
        assert!(left.len() == 1 && left[0] >= 5 && !new.leave.is_cancelled(), "{left:?}");
    }

    #[test]
    fn a_seat_that_was_left_is_free() {
        let seats = Arc::new(Seats::default());
        let first: Vec<Seat> = (0..EACH).map(|_| seats.take(at(1))).collect();
        drop(first);
        let second: Vec<Seat> = (0..EACH).map(|_| seats.take(at(1))).collect();
        assert!(second.iter().all(|seat| !seat.leave.is_cancelled()));
    }

    #[test]
    fn addresses_of_one_network_are_one_peer() {
        let peer = |text: &str| Peer::at(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), at(1));
    }
}
