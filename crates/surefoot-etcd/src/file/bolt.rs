//! Reading a bbolt database: pages, buckets, keys in order. Read only, every offset checked.
//!
//! The format is bbolt's (internal/common: page.go, meta.go, bucket.go), version 2, little-endian as on all machines
//! that etcd supports. It knows nothing of etcd.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const HEADER: usize = 16;
const ELEMENT: usize = 16;
/// A bucket's own header: its first page and its sequence.
const BUCKET: usize = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// Flag of a leaf's element whose value is a bucket.
const IS_BUCKET: u32 = 1;
/// A B+tree deeper than this has a loop.
const DEPTH: u32 = 64;

/// An open database.
pub struct Bolt {
    file: File,
    page_size: u64,
    /// One past the last page.
    end: u64,
    root: u64,
}

/// A bucket: its pages begin at a page of the file, or it lies within the value that holds it.
pub enum Bucket {
    At(u64),
    Inline(Vec<u8>),
}

/// What a walk meets: a key with its value, or a bucket by its name.
pub enum BucketItem<'a> {
    Pair(&'a [u8], &'a [u8]),
    Bucket(&'a [u8], Bucket),
}

type Visit<'a> = dyn FnMut(BucketItem<'_>) -> io::Result<()> + 'a;

impl Bolt {
    pub fn open(file: File) -> io::Result<Bolt> {
        let mut head = vec![0; 4096.min(usize::try_from(file.metadata()?.len()).unwrap_or(4096))];
        file.read_exact_at(&mut head, 0)?;
        let sizes = [4096, 8192, 16384, 32768, 65536, 512, 1024, 2048];
        let first = meta(&head).ok();
        let second = sizes.iter().find_map(|size| {
            let mut page = vec![0; HEADER + META];
            file.read_exact_at(&mut page, *size).ok()?;
            meta(&page).ok().filter(|meta| u64::from(meta.page_size) == *size)
        });
        let newest = [first, second].into_iter().flatten().max_by_key(|meta| meta.txid);
        let meta = newest.ok_or_else(|| bad("no valid meta page"))?;
        Ok(Bolt { file, page_size: meta.page_size.into(), end: meta.end, root: meta.root })
    }

    /// The bucket that holds all others.
    pub fn root(&self) -> Bucket {
        Bucket::At(self.root)
    }

    /// All items of one bucket in the order of their keys. Buckets within it are named, not entered.
    pub fn walk(&self, bucket: &Bucket, visit: &mut Visit<'_>) -> io::Result<()> {
        match bucket {
            Bucket::At(page) => self.descend(*page, 0, visit),
            Bucket::Inline(page) => leaf(page, visit),
        }
    }

    fn descend(&self, id: u64, depth: u32, visit: &mut Visit<'_>) -> io::Result<()> {
        if depth > DEPTH {
            return Err(bad("a tree without end"));
        }
        let page = self.page(id)?;
        match u16_at(&page, 8)? {
            LEAF => leaf(&page, visit),
            BRANCH => {
                for element in 0..usize::from(u16_at(&page, 10)?) {
                    self.descend(u64_at(&page, HEADER + element * ELEMENT + 8)?, depth + 1, visit)?;
                }
                Ok(())
            }
            _ => Err(bad(&format!("page {id} is no page of a tree"))),
        }
    }

    /// A page with those that continue it.
    fn page(&self, id: u64) -> io::Result<Vec<u8>> {
        let mut header = [0; HEADER];
        let place = |id: u64| id.checked_mul(self.page_size).ok_or_else(|| bad("a page out of reach"));
        self.file.read_exact_at(&mut header, place(id)?)?;
        let more = u64::from(u32_at(&header, 12)?);
        if u64_at(&header, 0)? != id || id + 1 + more > self.end {
            return Err(bad(&format!("page {id} is damaged")));
        }
        let length = usize::try_from((1 + more) * self.page_size).map_err(|_| bad("a page too long"))?;
        let mut page = vec![0; length];
        self.file.read_exact_at(&mut page, place(id)?)?;
        Ok(page)
    }
}

/// Gives each element of a leaf page.
fn leaf(page: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
    for element in 0..usize::from(u16_at(page, 10)?) {
        let at = HEADER + element * ELEMENT;
        let flags = u32_at(page, at)?;
        let [from, key, value] = [4, 8, 12].map(|field| u32_at(page, at + field).map(|n| n as usize));
        let key_at = at + from?;
        let value_at = key_at + key?;
        let (key, value) = (slice(page, key_at, value_at - key_at)?, slice(page, value_at, value?)?);
        if flags & IS_BUCKET == 0 {
            visit(BucketItem::Pair(key, value))?;
            continue;
        }
        let bucket = match u64_at(value, 0)? {
            0 => Bucket::Inline(value.get(BUCKET..).ok_or_else(|| bad("a bucket is cut short"))?.to_vec()),
            root => Bucket::At(root),
        };
        visit(BucketItem::Bucket(key, bucket))?;
    }
    Ok(())
}

const META: usize = 64;

struct Meta {
    page_size: u32,
    root: u64,
    end: u64,
    txid: u64,
}

/// A meta page; its checksum is FNV-1a over the fields before it.
fn meta(page: &[u8]) -> io::Result<Meta> {
    let body = slice(page, HEADER, META)?;
    let sum =
        body[..56].iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let good = u32_at(body, 0)? == MAGIC && u32_at(body, 4)? == VERSION && u64_at(body, 56)? == sum;
    if !good {
        return Err(bad("a damaged meta page"));
    }
    Ok(Meta { page_size: u32_at(body, 8)?, root: u64_at(body, 16)?, end: u64_at(body, 40)?, txid: u64_at(body, 48)? })
}

fn slice(bytes: &[u8], at: usize, length: usize) -> io::Result<&[u8]> {
    at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or_else(|| bad("an element reaches out of its page"))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    let part = slice(bytes, at, N)?;
    Ok(std::array::from_fn(|i| part[i]))
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    Ok(u16::from_le_bytes(array(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    Ok(u32::from_le_bytes(array(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> io::Result<u64> {
    Ok(u64::from_le_bytes(array(bytes, at)?))
}

pub fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
