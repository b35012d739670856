use std::sync::LazyLock;

use proptest::prelude::*;
use wacore::store::{Device, traits::Backend as Library};

use super::{Answers, plain, record};

/// Keys of a device are random: both backends have to get the same one.
static DEVICES: LazyLock<[Device; 2]> = LazyLock::new(|| {
    let mut linked = Device::new();
    linked.pn = Some("4915200000001:3@s.whatsapp.net".parse().unwrap());
    linked.lid = Some("1001:3@lid".parse().unwrap());
    [Device::new(), linked]
});

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Save(usize),
    /// Changes what is stored, if anything is. Where there is a device, creating one changes nothing.
    Rename(String, u32),
}

pub(super) fn any() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0..2_usize).prop_map(Operation::Save),
        ("\\PC{0,8}", 0..0x00ff_ffff_u32).prop_map(|(name, next)| Operation::Rename(name, next)),
    ]
}

impl Operation {
    pub(super) async fn run(&self, b: &impl Library) -> Answers {
        match self {
            Self::Save(number) => b.save(&DEVICES[*number]).await.unwrap(),
            Self::Rename(name, next) => {
                if let Some(mut device) = b.load().await.unwrap() {
                    b.create().await.unwrap();
                    device.push_name.clone_from(name);
                    device.next_pre_key_id = *next;
                    b.save(&device).await.unwrap();
                }
            }
        }
        vec![]
    }
}

pub(super) async fn answers(b: &impl Library) -> Answers {
    vec![record(b.load().await.unwrap()), plain(b.exists().await.unwrap())]
}
