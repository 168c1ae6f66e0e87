//! A part of the page as an SVG picture: what is drawn keeps its shapes with
//! the colours of the theme, and every word stands where the page has it.

use std::fmt::Write as _;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{CssStyleDeclaration, Element, Node};

/// What a picture is without: what only acts.
const LEFT_OUT: &str =
    ".btn, .sw, .link, .downloads, select, input, summary, details:not([open]), .settings, .choices, .pick-dot, .sr";
/// Properties of drawn shapes that style sheets decide.
const DRAWN: [&str; 9] = [
    "fill",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "opacity",
    "font-size",
    "font-weight",
];
/// Attributes of drawn shapes that a picture keeps.
const KEPT: [&str; 17] = [
    "d",
    "x",
    "y",
    "width",
    "height",
    "cx",
    "cy",
    "r",
    "x1",
    "x2",
    "y1",
    "y2",
    "points",
    "transform",
    "text-anchor",
    "viewBox",
    "preserveAspectRatio",
];
/// Margin around the picture, in pixels.
const MARGIN: f64 = 16.0;

/// The picture of what `selector` finds, with a title for those who hear it.
pub(crate) fn picture(selector: &str, title: &str) -> Option<String> {
    let root = document().query_selector(selector).ok().flatten()?;
    let frame = root.get_bounding_client_rect();
    let (width, height) = (frame.width() + 2.0 * MARGIN, frame.height() + 2.0 * MARGIN);
    let mut painter = Painter { left: frame.left() - MARGIN, top: frame.top() - MARGIN, text: String::new() };
    let ground = style(&root).and_then(|style| style.get_property_value("background-color").ok()).unwrap_or_default();
    let _ = write!(
        painter.text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" font-family=\"Atkinson Hyperlegible Next, system-ui, sans-serif\"><title>{}</title><rect \
         width=\"100%\" height=\"100%\" fill=\"{}\"/>",
        escaped(title),
        escaped(&ground)
    );
    painter.children(&root);
    painter.text.push_str("</svg>\n");
    Some(painter.text)
}

struct Painter {
    left: f64,
    top: f64,
    text: String,
}

fn style(element: &Element) -> Option<CssStyleDeclaration> {
    window().get_computed_style(element).ok().flatten()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

impl Painter {
    fn children(&mut self, parent: &Element) {
        let nodes = parent.child_nodes();
        for node in (0..nodes.length()).filter_map(|place| nodes.get(place)) {
            match node.node_type() {
                Node::ELEMENT_NODE => self.element(node.unchecked_ref()),
                Node::TEXT_NODE => self.words(parent, &node),
                _ => {}
            }
        }
    }

    fn element(&mut self, element: &Element) {
        let place = element.get_bounding_client_rect();
        if place.width() < 0.5 || place.height() < 0.5 || element.matches(LEFT_OUT).unwrap_or(false) {
            return;
        }
        let Some(look) = style(element) else { return };
        let of = |name: &str| look.get_property_value(name).unwrap_or_default();
        if of("visibility") == "hidden" {
            return;
        }
        let (x, y) = (place.left() - self.left, place.top() - self.top);
        if element.tag_name().eq_ignore_ascii_case("svg") {
            let _ = write!(
                self.text,
                "<svg x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" overflow=\"visible\"",
                place.width(),
                place.height()
            );
            self.attributes(element, &["viewBox", "preserveAspectRatio"]);
            self.text.push('>');
            self.drawn(element);
            self.text.push_str("</svg>");
            return;
        }
        self.ground(element, &of, (x, y, place.width(), place.height()));
        self.children(element);
    }

    /// What lies behind the words: pieces of the pane are cut aslant.
    fn ground(&mut self, element: &Element, of: &dyn Fn(&str) -> String, (x, y, wide, tall): (f64, f64, f64, f64)) {
        let colour = of("background-color");
        let clear = colour.is_empty() || colour == "transparent" || colour.ends_with(", 0)");
        let opacity = of("opacity");
        if element.class_list().contains("glass") {
            let cut = 18.0f64.min(wide / 4.0);
            let fill = if clear { of("--c") } else { colour };
            let shade = if clear { " fill-opacity=\".35\"" } else { "" };
            let _ = write!(
                self.text,
                "<path d=\"M{:.1} {y:.1}H{:.1}L{:.1} {:.1}H{x:.1}Z\" fill=\"{}\"{shade}/>",
                x + cut,
                x + wide,
                x + wide - cut,
                y + tall,
                escaped(&fill)
            );
        } else if !clear {
            let _ = write!(
                self.text,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" rx=\"4\" fill=\"{}\" opacity=\"{}\"/>",
                escaped(&colour),
                escaped(&opacity)
            );
        }
    }

    fn attributes(&mut self, element: &Element, names: &[&str]) {
        for name in names {
            if let Some(value) = element.get_attribute(name) {
                let _ = write!(self.text, " {name}=\"{}\"", escaped(&value));
            }
        }
    }

    /// Shapes below a drawing, with what style sheets make of them.
    fn drawn(&mut self, parent: &Element) {
        let children = parent.children();
        for child in (0..children.length()).filter_map(|place| children.item(place)) {
            let name = child.tag_name().to_ascii_lowercase();
            if !matches!(name.as_str(), "g" | "path" | "rect" | "circle" | "line" | "polyline" | "polygon" | "text") {
                continue;
            }
            let _ = write!(self.text, "<{name}");
            self.attributes(&child, &KEPT);
            if let Some(look) = style(&child) {
                for property in DRAWN {
                    let value = look.get_property_value(property).unwrap_or_default();
                    let group = name == "g" && property != "opacity";
                    let usual = matches!((property, value.as_str()), ("opacity", "1") | ("stroke-dasharray", "none"));
                    if !group && !usual && !value.is_empty() {
                        let _ = write!(self.text, " {property}=\"{}\"", escaped(&value));
                    }
                }
                if look.get_property_value("vector-effect").is_ok_and(|effect| effect == "non-scaling-stroke") {
                    self.text.push_str(" vector-effect=\"non-scaling-stroke\"");
                }
            }
            self.text.push('>');
            if name == "text" {
                self.text.push_str(&escaped(&child.text_content().unwrap_or_default()));
            } else {
                self.drawn(&child);
            }
            let _ = write!(self.text, "</{name}>");
        }
    }

    /// Each word where the page has it, so that lines break as they do there.
    fn words(&mut self, parent: &Element, node: &Node) {
        let text = node.text_content().unwrap_or_default();
        if text.trim().is_empty() {
            return;
        }
        let (Some(look), Ok(range)) = (style(parent), document().create_range()) else { return };
        let of = |name: &str| look.get_property_value(name).unwrap_or_default();
        let (colour, size, weight) = (of("color"), of("font-size"), of("font-weight"));
        let pixels: f64 = size.trim_end_matches("px").parse().unwrap_or(16.0);
        let struck = parent.closest("s").ok().flatten().map_or("", |_| " text-decoration=\"line-through\"");
        let mono = if of("font-family").contains("Mono") { " font-family=\"ui-monospace, monospace\"" } else { "" };
        // The browser counts in units of UTF-16.
        let units: Vec<u16> = text.encode_utf16().collect();
        let blank = |unit: &u16| matches!(*unit, 9 | 10 | 13 | 32);
        let mut at = 0;
        while at < units.len() {
            if blank(&units[at]) {
                at += 1;
                continue;
            }
            let end = units[at..].iter().position(blank).map_or(units.len(), |length| at + length);
            let placed = range.set_start(node, at as u32).and_then(|()| range.set_end(node, end as u32)).is_ok();
            let place = range.get_bounding_client_rect();
            if placed && place.width() > 0.0 {
                let word = String::from_utf16_lossy(&units[at..end]);
                let base = place.top() - self.top + (place.height() + pixels * 0.7) / 2.0;
                let _ = write!(
                    self.text,
                    "<text x=\"{:.1}\" y=\"{base:.1}\" font-size=\"{pixels}\" font-weight=\"{}\" fill=\"{}\" \
                     textLength=\"{:.1}\"{mono}{struck}>{}</text>",
                    place.left() - self.left,
                    escaped(&weight),
                    escaped(&colour),
                    place.width(),
                    escaped(&word)
                );
            }
            at = end;
        }
    }
}
