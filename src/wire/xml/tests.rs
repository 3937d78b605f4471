use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits::of_bytes(1 << 20);

fn read(xml: &str) -> Result<String, Error> {
    parse(xml.as_bytes(), &LIMITS).map(|document| shown(document.any_root()))
}

/// A document in one line: `{namespace}local@attribute=value[text](children)`.
fn shown(node: Node<'_>) -> String {
    let mut line = format!("{{{}}}{}", node.namespace(), node.local());
    for (namespace, local, value) in node.attributes() {
        let _ = write!(line, "@{{{namespace}}}{local}={value:?}");
    }
    let _ = write!(line, "[{}]", node.text().trim());
    let children: Vec<_> = node.children().map(shown).collect();
    if !children.is_empty() {
        let _ = write!(line, "({})", children.join(","));
    }
    line
}

fn refused(xml: &str) -> Error {
    match read(xml) {
        Ok(shown) => panic!("{xml:.80} was read as {shown:.80}"),
        Err(error) => error,
    }
}

fn repeated(times: usize, piece: impl Fn(usize) -> String) -> String {
    (0..times).map(piece).collect::<Vec<_>>().concat()
}

fn is_malformed(xml: &str) {
    let error = refused(xml);
    assert!(matches!(error, Error::Malformed { .. }), "{xml:.80}: {error}");
}

#[test]
fn a_document_is_read_with_namespaces_attributes_and_text() {
    let xml = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- a - b -->\n\
        <r xmlns=\"urn:1\" xmlns:p='urn:2' a = \"1\" p:a='2'>a &amp; b<p:c xmlns=''><d/></p:c >\
        <![CDATA[ <&> ]]>&#x263A;&#10;<e xml:lang=\"en\">x\r\ny</e></r>\n<!-- end -->\n";
    assert_eq!(
        read(xml).unwrap(),
        "{urn:1}r@{}a=\"1\"@{urn:2}a=\"2\"[a & b <&> \u{263a}]({urn:2}c[]({}d[]),\
         {urn:1}e@{http://www.w3.org/XML/1998/namespace}lang=\"en\"[x\ny])"
    );
}

#[test]
fn blanks_around_an_entity_are_kept() {
    let document = parse(b"<a>  one &amp; two &lt;<b/> three  </a>", &LIMITS).unwrap();
    assert_eq!(document.any_root().text(), "  one & two < three  ");
}

#[test]
fn an_attribute_is_normalised_as_the_recommendation_says() {
    let document = parse(b"<a b='1\r\n2\t3&#10;&quot;&gt;>'/>", &LIMITS).unwrap();
    assert_eq!(document.any_root().attribute("b"), Some("1 2 3\n\">>"));
}

#[test]
fn a_prefixed_attribute_is_not_the_one_without_a_prefix() {
    let xml = b"<p:r xmlns:p='urn:1' p:status='success'/>";
    let document = parse(xml, &LIMITS).unwrap();
    let root = document.root("urn:1", "r").unwrap();
    assert_eq!(root.attribute("status"), None);
}

#[test]
fn another_root_or_namespace_is_not_taken() {
    for xml in
        ["<r xmlns='urn:2'/>", "<r/>", "<R xmlns='urn:1'/>", "<p:r xmlns='urn:1' xmlns:p='urn:3'/>"]
    {
        let document = parse(xml.as_bytes(), &LIMITS).unwrap();
        assert_eq!(document.root("urn:1", "r").unwrap_err(), Error::WrongRoot, "{xml}");
    }
    let document = parse(b"<q:r xmlns:q='urn:1'/>", &LIMITS).unwrap();
    assert!(document.root("urn:1", "r").is_ok());
}

#[test]
fn children_are_told_from_what_stands_deeper() {
    let document = parse(b"<a><b><c/><d><c/></d></b><c/></a>", &LIMITS).unwrap();
    let root = document.any_root();
    let names = |nodes: Vec<Node<'_>>| nodes.iter().map(|n| n.local()).collect::<String>();
    assert_eq!(names(root.children().collect()), "bc");
    assert_eq!(names(root.descendants().collect()), "bcdcc");
    assert_eq!(names(root.child("", "b").unwrap().descendants().collect()), "cdc");
}

#[test]
fn document_types_entities_and_instructions_are_refused() {
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;\">]><lolz>&lol2;</lolz>";
    let external = "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>&x;</r>";
    for xml in [laughs, external, "<!DOCTYPE r><r/>", "<!DOCTYPE r SYSTEM 'http://a.test/'><r/>"] {
        assert_eq!(refused(xml), Error::Refused("a document type"), "{xml}");
    }
    for xml in ["<?xml-stylesheet href='x'?><r/>", "<r><?php x?></r>", "<r/><?x y?>"] {
        assert_eq!(refused(xml), Error::Refused("a processing instruction"), "{xml}");
    }
    for xml in ["<r>&lol;</r>", "<r a='&lol;'/>", "<r>&nbsp;</r>", "<r>&AMP;</r>", "<r>&amp</r>"] {
        is_malformed(xml);
    }
}

#[test]
fn references_to_what_is_no_character_are_refused() {
    for number in [
        "0",
        "x0",
        "8",
        "x1F",
        "xD800",
        "xFFFE",
        "x110000",
        "99999999999",
        "",
        "x",
        "-1",
        "+65",
        "x+41",
        "X41",
    ] {
        is_malformed(&format!("<r>&#{number};</r>"));
        is_malformed(&format!("<r a='&#{number};'/>"));
    }
}

#[test]
fn anything_but_one_root_is_refused() {
    for xml in [
        "",
        " ",
        "plain text",
        "<!-- only -->",
        "<a/><b/>",
        "<a></a><a/>",
        "<a/>trailing",
        "<a/>&amp;",
        "<a/><![CDATA[x]]>",
        "leading<a/>",
        "<a>",
        "<a><b></b>",
        "<a><b></a></b>",
        "<a></b>",
        "</a>",
        "<a/></a>",
        "<a",
        "<a b='1",
        "<a><!-- ",
        "<a><![CDATA[x",
        "<a/><?xml version='1.0'?>",
        " <?xml version='1.0'?><a/>",
    ] {
        is_malformed(xml);
    }
}

#[test]
fn broken_markup_is_refused() {
    for xml in [
        "<1a/>",
        "<a b/>",
        "<a b=1/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<a 1b='x'/>",
        "<a:b:c xmlns:a='u'/>",
        "<:a/>",
        "<a:/>",
        "<a>]]></a>",
        "<a><!-- x -- y --></a>",
        "<a><!-- x ---></a>",
        "<a>\u{0}</a>",
        "<a>\u{b}</a>",
        "<a>\u{ffff}</a>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='2.0'?><a/>",
    ] {
        is_malformed(xml);
    }
}

#[test]
fn attributes_are_told_apart_by_their_expanded_names() {
    for xml in [
        "<a b='1' b='2'/>",
        "<a xmlns='u' xmlns='u'/>",
        "<a xmlns:p='u' xmlns:p='v'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
    ] {
        is_malformed(xml);
    }
    assert!(read("<a xmlns:p='u' xmlns:q='v' b='0' p:b='1' q:b='2'/>").is_ok());
}

#[test]
fn prefixes_play_no_tricks() {
    for xml in [
        "<p:a/>",
        "<a p:b='1'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='urn:mine'/>",
        "<a xmlns:xmlns='urn:mine'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a><b xmlns:p='u'/><p:c/></a>",
    ] {
        is_malformed(xml);
    }
    let inner = "<p:a xmlns:p='u'><p:a xmlns:p='v'/><p:b/></p:a>";
    assert_eq!(read(inner).unwrap(), "{u}a[]({v}a[],{u}b[])");
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [&[0xff, 0xfe], utf16.as_slice()].concat();
    for bytes in [&with_mark[..], b"<a>\xff</a>", b"<a>\xc0\xaf</a>", b"<a>\xed\xa0\x80</a>"] {
        assert_eq!(parse(bytes, &LIMITS).unwrap_err(), Error::Encoding);
    }
    for name in ["utf-16", "ISO-8859-1", "UTF-7", ""] {
        let xml = format!("<?xml version='1.0' encoding='{name}'?><a/>");
        assert_eq!(refused(&xml), Error::Encoding, "{name}");
    }
    assert!(read("<?xml version='1.0' encoding='us-ASCII' standalone='yes'?><a/>").is_ok());
}

#[test]
fn every_bound_is_held() {
    let deep = "<a>".repeat(200_000);
    assert_eq!(refused(&deep), Error::TooDeep(32));
    assert!(read(&format!("{}{}", "<a>".repeat(32), "</a>".repeat(32))).is_ok());
    assert_eq!(refused(&format!("{}{}", "<a>".repeat(33), "</a>".repeat(33))), Error::TooDeep(32));

    let flood = repeated(20_000, |n| format!(" a{n}=''"));
    assert_eq!(refused(&format!("<a{flood}/>")), Error::TooManyAttributes(64));
    let names = repeated(20_000, |n| format!(" xmlns:a{n}='u{n}'"));
    assert_eq!(refused(&format!("<a{names}/>")), Error::TooManyAttributes(64));
    let many = repeated(2_000, |n| format!("<a xmlns='u{n}'/>"));
    assert_eq!(refused(&format!("<r>{many}</r>")), Error::TooManyAttributes(64));

    let few = Limits { max_elements: 3, ..LIMITS };
    assert!(parse(b"<a><b/><c/></a>", &few).is_ok());
    let error = parse(b"<a><b/><c/><d/></a>", &few).unwrap_err();
    assert_eq!(error, Error::TooManyElements(3));

    let huge = format!("<a>{}</a>", "x".repeat(LIMITS.max_bytes));
    assert_eq!(refused(&huge), Error::TooLarge(LIMITS.max_bytes));
    let full = format!("<a>{}</a>", "x".repeat(LIMITS.max_bytes - 7));
    assert!(read(&full).is_ok());
}

#[test]
fn a_document_cut_off_anywhere_is_refused() {
    let xml = "<?xml version=\"1.0\"?><a xmlns=\"u\" b='1'>x &amp; y<c/><![CDATA[z]]></a>";
    for end in 0..xml.len() {
        assert!(read(&xml[..end]).is_err(), "{}", &xml[..end]);
    }
    assert!(read(xml).is_ok());
}

#[test]
fn a_request_is_written_byte_for_byte() {
    let xml = Writer::new("r", "urn:a&b")
        .open("outer")
        .text("inner", "a < b & \"c\" > d\r\n\u{e9}")
        .unwrap()
        .text("none", "")
        .unwrap()
        .close()
        .text("last", "x")
        .unwrap()
        .finish();
    assert_eq!(
        xml,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <r xmlns=\"urn:a&amp;b\">\n\
         \x20 <outer>\n\
         \x20   <inner>a &lt; b &amp; \"c\" &gt; d&#13;\n\u{e9}</inner>\n\
         \x20   <none />\n\
         \x20 </outer>\n\
         \x20 <last>x</last>\n\
         </r>\n"
    );
}

#[test]
fn what_xml_cannot_hold_is_not_written() {
    for text in ["\0", "\u{1b}", "\u{fffe}", "a\u{ffff}"] {
        assert_eq!(Writer::new("r", "u").text("t", text).unwrap_err(), IllegalCharacter);
    }
}

/// Pieces that documents are made of, well put together or not.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<a>",
        "</a>",
        "<b x='1'>",
        "</b>",
        "<c/>",
        "<p:d xmlns:p='u'/>",
        "<a ",
        "/>",
        ">",
        "'",
        "\"",
        "x='1'",
        " xmlns='u'",
        "&amp;",
        "&#65;",
        "&",
        ";",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?xml version='1.0'?>",
        "<?x",
        "?>",
        "<!DOCTYPE a>",
        "text",
        " ",
        "\r\n",
        "\u{0}",
        "é",
        "\u{feff}",
        "&#0;",
        "p:e",
        "=",
        "<",
        "</",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse(&bytes, &LIMITS).map(|document| shown(document.any_root()));
    }

    #[test]
    fn no_markup_makes_the_reader_panic(xml in pieces()) {
        if let Ok(document) = parse(xml.as_bytes(), &LIMITS) {
            let root = document.any_root();
            prop_assert_eq!(root.descendants().count() + 1, document.elements.len());
            let _ = shown(root);
        }
    }

    #[test]
    fn what_is_written_is_read_again(texts in prop::collection::vec("(\\PC|[\t\r\n&<>'\"]){0,12}", 1..6)) {
        let usable = texts.iter().all(|text| text.chars().all(chars::is_char));
        let mut writer = Writer::new("r", "urn:x").open("o");
        for text in &texts {
            let Ok(next) = writer.text("t", text) else {
                prop_assert!(!usable);
                return Ok(());
            };
            writer = next;
        }
        let xml = writer.finish();
        let document = parse(xml.as_bytes(), &LIMITS).unwrap();
        let outer = document.root("urn:x", "r").unwrap().child("urn:x", "o").unwrap();
        let read: Vec<_> = outer.children().map(Node::text).collect();
        prop_assert_eq!(read, texts);
    }
}
