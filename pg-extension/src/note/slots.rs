//! So many slots. Those with a note are a list from the oldest to the newest; the others are a stack.
//!
//! A list and not an array with two ends, because each database takes its own notes: what it leaves behind are gaps, and a note is only
//! to be lost when there is no gap left. Nothing here allocates, calls Postgres or can fail: it is done while a lock is held.

use super::Note;

/// Bytes of a note's text.
pub const LONGEST: usize = 1024;

/// How many slots a walk looks at while the lock is held.
const LOOKS: usize = 500;

/// The place of no slot.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slot {
    /// Grows with each note that is kept.
    number: u64,
    at: i64,
    /// In which it was kept; 0 when the slot is free.
    database: u32,
    older: u32,
    /// Of a free slot, the next free one.
    newer: u32,
    length: u32,
    text: [u8; LONGEST],
}

impl Slot {
    /// In the stack of those that are free, the one after the last.
    pub const fn free(place: u32, is_last: bool) -> Self {
        Slot {
            number: 0,
            at: 0,
            database: 0,
            older: NONE,
            newer: if is_last { NONE } else { place + 1 },
            length: 0,
            text: [0; LONGEST],
        }
    }

    pub fn note(&self) -> Note {
        Note {
            number: self.number,
            at: self.at,
            text: self.text[..self.length as usize].to_vec(),
        }
    }
}

/// The ends of the list and of the stack.
#[repr(C)]
pub struct Ends {
    oldest: u32,
    newest: u32,
    free: u32,
    last_number: u64,
}

impl Ends {
    /// With no note, and the stack in the order of the slots.
    pub const EMPTY: Ends = Ends {
        oldest: NONE,
        newest: NONE,
        free: 0,
        last_number: 0,
    };
}

/// Where a walk goes on: behind a note of another database, or with the oldest.
#[derive(Default)]
pub struct Cursor {
    behind: Option<(u32, u64)>,
}

/// All of it, while the lock is held.
pub struct Slots<'a> {
    pub ends: &'a mut Ends,
    pub slots: &'a mut [Slot],
}

impl Slots<'_> {
    /// Adds a note as the newest. Answers how many were lost.
    pub fn keep(&mut self, database: u32, at: i64, text: &[u8]) -> u64 {
        self.ends.last_number += 1;
        let number = self.ends.last_number;
        let lost = self.make_room();
        self.fill(self.ends.newest, database, number, at, text);
        lost
    }

    /// Puts a note back to where it was. Answers how many were lost: itself, when there is no room and all others are newer.
    pub fn put_back(&mut self, database: u32, note: &Note) -> u64 {
        if self.ends.free == NONE && self.at(self.ends.oldest).number > note.number {
            return 1;
        }
        let lost = self.make_room();
        let (mut older, mut newer) = (NONE, self.ends.oldest);
        while newer != NONE && self.at(newer).number < note.number {
            (older, newer) = (newer, self.at(newer).newer);
        }
        self.fill(older, database, note.number, note.at, &note.text);
        lost
    }

    /// Moves a database's oldest notes to `batch`, until it holds `most`, for which it has the capacity. Answers whether there are no
    /// more; if there may be, go on with the same cursor, and let others have the lock in between.
    pub fn take(
        &mut self,
        cursor: &mut Cursor,
        database: u32,
        batch: &mut Vec<Slot>,
        most: usize,
    ) -> bool {
        let mut place = match cursor.behind {
            // It is there still, unless it was taken or lost meanwhile.
            Some((place, number)) if self.at(place).number == number => self.at(place).newer,
            _ => self.ends.oldest,
        };
        for _ in 0..LOOKS {
            if place == NONE {
                return true;
            }
            if batch.len() >= most {
                break;
            }
            let slot = self.at(place);
            let newer = slot.newer;
            if slot.database == database {
                batch.push(*slot);
                self.release(place);
            } else {
                cursor.behind = Some((place, slot.number));
            }
            place = newer;
        }
        false
    }

    /// Sees to it that a slot is free. Answers how many notes were lost by that.
    fn make_room(&mut self) -> u64 {
        if self.ends.free != NONE {
            return 0;
        }
        self.release(self.ends.oldest);
        1
    }

    /// Writes a note into a free slot, and puts that behind an older one.
    fn fill(&mut self, older: u32, database: u32, number: u64, at: i64, text: &[u8]) {
        let place = self.ends.free;
        self.ends.free = self.at(place).newer;

        let newer = std::mem::replace(self.newer_of(older), place);
        *self.older_of(newer) = place;
        let slot = &mut self.slots[place as usize];
        (slot.older, slot.newer) = (older, newer);
        (slot.database, slot.number, slot.at) = (database, number, at);
        let length = text.len().min(LONGEST);
        slot.length = length as u32;
        slot.text[..length].copy_from_slice(&text[..length]);
    }

    /// Takes a slot out of the list.
    fn release(&mut self, place: u32) {
        let (older, newer) = (self.at(place).older, self.at(place).newer);
        *self.newer_of(older) = newer;
        *self.older_of(newer) = older;
        let slot = &mut self.slots[place as usize];
        (slot.database, slot.number) = (0, 0);
        slot.newer = std::mem::replace(&mut self.ends.free, place);
    }

    fn at(&self, place: u32) -> &Slot {
        &self.slots[place as usize]
    }

    /// What says which note comes after one; before all of them, the beginning of the list.
    fn newer_of(&mut self, place: u32) -> &mut u32 {
        match place {
            NONE => &mut self.ends.oldest,
            place => &mut self.slots[place as usize].newer,
        }
    }

    /// What says which note comes before one; after all of them, the end of the list.
    fn older_of(&mut self, place: u32) -> &mut u32 {
        match place {
            NONE => &mut self.ends.newest,
            place => &mut self.slots[place as usize].older,
        }
    }
}
