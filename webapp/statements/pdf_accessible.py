"""What PDF/UA-1 asks for beyond what the layout engine writes, and bytes that are always the same.

Table headers get their scope, annotations their print flag, the viewer shows the title, and the metadata claims
both standards: PDF/A-3a allows that only with a description of the other standard's namespace (the extension schema).
"""

from __future__ import annotations

import base64
import io
from typing import Any

UA_NAMESPACE = "http://www.aiim.org/pdfua/ns/id/"
PRINT_FLAG = 4
# So many ways to pack the objects are tried before they are left unpacked, which takes four times the room.
PACKINGS = 12
# A sign that neither shows nor parts words: what a glyph means that only completes another one.
WORD_JOINER = b"<2060>"
UA_CLAIM = f"""
<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" rdf:about=""
 xmlns:pdfuaid="{UA_NAMESPACE}" pdfuaid:part="1"/>
<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" rdf:about=""
 xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>{UA_NAMESPACE}</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that the file follows</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
"""


def finish(raw: bytes, *, title: str) -> bytes:
    """The engine's PDF made to pass both standards; `title` is what a viewer shows on its window."""
    import pikepdf

    with pikepdf.open(io.BytesIO(raw)) as pdf:
        root = pdf.Root
        root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)
        root.MarkInfo = pikepdf.Dictionary(Marked=True)
        pdf.docinfo["/Title"] = title
        if "/StructTreeRoot" in root:
            _scope_headers(pikepdf, root.StructTreeRoot)
        for page in pdf.pages:
            for annotation in page.get("/Annots", []):
                annotation.F = PRINT_FLAG
        _name_every_glyph(pikepdf, pdf)
        metadata = root.Metadata.read_bytes().replace(b"</rdf:RDF>", UA_CLAIM.encode() + b"</rdf:RDF>")
        stream = pikepdf.Stream(pdf, metadata)
        stream.Type, stream.Subtype = pikepdf.Name.Metadata, pikepdf.Name.XML
        root.Metadata = stream
        for number in range(PACKINGS):
            small = _saved(pdf, object_stream_mode=pikepdf.ObjectStreamMode.generate)
            if b"\r\nendstream" not in small:
                return small
            if not number:
                _end_streams_clearly(pikepdf, pdf)
            # One object more, and the others are packed into other streams, with other ends.
            root.Padding = pikepdf.Array([*root.get("/Padding", []), pdf.make_indirect(pikepdf.Dictionary())])
        del root.Padding
        # Nothing is packed anew, or a stream could end in a carriage return again.
        return _saved(
            pdf,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )


def _saved(pdf: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pdf.save(out, deterministic_id=True, **options)
    return out.getvalue()


def _end_streams_clearly(pikepdf: Any, pdf: Any) -> None:
    """Re-write streams whose last byte is a carriage return: with the line feed that follows, a strict reader
    takes both for the end of the line and finds the stream one byte short. ASCII85 ends in "~>".
    """
    for item in pdf.objects:
        if not isinstance(item, pikepdf.Stream):
            continue
        raw = item.read_raw_bytes()
        if raw.endswith(b"\r"):
            filters = item.get("/Filter", pikepdf.Array())
            inner = list(filters) if isinstance(filters, pikepdf.Array) else [filters]
            item.write(
                base64.a85encode(raw) + b"~>",
                filter=pikepdf.Array([pikepdf.Name.ASCII85Decode, *inner]),
            )


def _name_every_glyph(pikepdf: Any, pdf: Any) -> None:
    """Give a meaning to glyphs that have none: in scripts such as Devanagari several glyphs draw one cluster, and
    the engine writes its letters beside the first of them and nothing beside the others.
    """
    for item in pdf.objects:
        if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/Font" and "/ToUnicode" in item:
            words = item.ToUnicode.read_bytes()
            if b"<>" in words:
                item.ToUnicode.write(words.replace(b"<>", WORD_JOINER))


def _scope_headers(pikepdf: Any, tree: Any) -> None:
    """Give every header cell its scope: a column's in the table head, a row's elsewhere."""
    waiting: list[tuple[Any, bool]] = [(tree, False)]
    while waiting:
        element, in_head = waiting.pop()
        if not isinstance(element, pikepdf.Dictionary):
            continue
        role = element.get("/S")
        in_head = in_head or role == "/THead"
        if role == "/TH":
            attributes = element.get("/A", pikepdf.Dictionary(O=pikepdf.Name.Table))
            attributes.Scope = pikepdf.Name.Column if in_head else pikepdf.Name.Row
            element.A = attributes
        children = element.get("/K")
        if isinstance(children, pikepdf.Array):
            waiting.extend((child, in_head) for child in children)
        elif isinstance(children, pikepdf.Dictionary):
            waiting.append((children, in_head))
