use proptest::prelude::*;

use super::*;

/// Few, so that they lie in each other.
fn a_prefix() -> impl Strategy<Value = IpNet> {
    (16..=24_u8, 0..4_u32, any::<bool>()).prop_map(|(length, bits, is_v4)| {
        if is_v4 {
            let addr = std::net::Ipv4Addr::from(0xcb00_0000 | bits << 14);
            IpNet::new(addr.into(), length).expect("a length").trunc()
        } else {
            let addr = std::net::Ipv6Addr::from((0x2001_0db8_u128 << 96) | u128::from(bits) << 106);
            IpNet::new(addr.into(), length + 8).expect("a length").trunc()
        }
    })
}

fn some_ases() -> impl Strategy<Value = Vec<Asn>> {
    prop::collection::vec((64_496..64_499_u32).prop_map(Asn), 0..3)
}

fn a_resource() -> impl Strategy<Value = Resource> {
    (a_prefix(), some_ases(), some_ases()).prop_map(|(prefix, expected_origins, upstreams)| Resource {
        prefix,
        expected_origins,
        upstreams,
        max_length: None,
    })
}

fn some_constituents() -> impl Strategy<Value = Vec<Constituent>> {
    prop::collection::vec(prop::collection::vec(a_resource(), 0..4), 0..4).prop_map(|all| {
        let constituent = |(i, resources): (usize, Vec<Resource>)| Constituent {
            name: format!("network {i}").into(),
            resources,
            ..Constituent::default()
        };
        all.into_iter().enumerate().map(constituent).collect()
    })
}

/// Every resource is looked at.
fn slow_resources_over<'a>(all: &'a [Constituent], prefix: &IpNet) -> Vec<&'a Resource> {
    let mut over: Vec<&Resource> =
        all.iter().flat_map(|c| &c.resources).filter(|r| r.prefix.contains(prefix)).collect();
    over.sort_by_key(|r| r.prefix.prefix_len());
    over
}

proptest! {
    #[test]
    fn resources_are_those_around_a_prefix_the_least_specific_first(all in some_constituents(), asked in prop::collection::vec(a_prefix(), 1..8)) {
        let watch = Watch::new(all.clone());
        for prefix in &asked {
            let found: Vec<&Resource> = watch.resources_over(prefix).iter().map(|(_, r)| *r).collect();
            let slow = slow_resources_over(&all, prefix);
            prop_assert_eq!(&found, &slow);
            prop_assert_eq!(watch.covers(prefix), !slow.is_empty());
            let expects = |r: &&&Resource| !r.expected_origins.is_empty() || !r.upstreams.is_empty();
            let nearest = slow.iter().rfind(expects).map(|r| r.prefix);
            let upstreams: Vec<Asn> =
                slow.iter().filter(|r| Some(r.prefix) == nearest).flat_map(|r| r.upstreams.clone()).collect();
            prop_assert_eq!(watch.upstreams_from(watch.nearest(prefix)).collect::<Vec<_>>(), upstreams);
        }
    }

    #[test]
    fn what_is_allowed_is_what_the_nearest_that_names_anybody_says(all in some_constituents(), prefix in a_prefix(), learned in any::<bool>()) {
        let watch = Watch::new(all.clone());
        let Some(nearest) = watch.nearest(&prefix) else { return Ok(()) };
        let over = slow_resources_over(&all, &prefix);
        let upstreams: Vec<Asn> = watch.upstreams_from(Some(nearest)).collect();
        for (origin_as, neighbor) in [(64_496, 64_497), (64_497, 64_498), (64_498, 64_496)].map(|(o, n)| (Asn(o), Asn(n))) {
            let is_right = match over.iter().rfind(|r| !r.expected_origins.is_empty()) {
                Some(resource) if resource.prefix == prefix => resource.expected_origins.contains(&origin_as),
                Some(_) => learned,
                None => true,
            };
            let is_known = upstreams.is_empty() || upstreams.contains(&neighbor);
            let allows = |neighbor, learned| watch.allows(nearest, &prefix, origin_as, || neighbor, || learned);
            prop_assert_eq!(allows(Some(neighbor), learned), is_right && is_known);
            prop_assert!(!allows(None, false) || allows(Some(neighbor), learned), "content with an origin is content for good");
        }
    }
}

#[test]
fn a_memo_tells_unasked_from_unwatched() {
    let watch = Watch::new(vec![Constituent {
        resources: vec![Resource {
            prefix: "203.0.113.0/24".parse().expect("a prefix"),
            expected_origins: vec![Asn(64_496)],
            upstreams: Vec::new(),
            max_length: None,
        }],
        ..Constituent::default()
    }]);
    let nearest = |prefix: &str| watch.nearest(&prefix.parse().expect("a prefix"));
    assert_eq!(Memo::default().nearest(), None);
    assert_eq!(Memo::new(nearest("198.51.100.0/24")).nearest(), Some(None));
    let memo = Memo::new(nearest("203.0.113.128/25"));
    assert_eq!(memo.nearest(), Some(nearest("203.0.113.0/24")));
    assert!(memo.nearest().flatten().is_some());
    assert!(!memo.is_content_with(Asn(0)) && memo.open_place(Asn(64_496)).is_some());
    let content = memo.content_with(Asn(64_496));
    assert!(content.is_content_with(Asn(64_496)) && !content.is_content_with(Asn(64_497)));
    assert_eq!((content.open_place(Asn(64_496)), content.nearest()), (None, memo.nearest()));
}
