"""No modules of the package import one another in a circle, not even inside functions; but for types."""
import ast

from conftest import SOURCE

ROOT = SOURCE / "python"


def modules():
    """{dotted name: path} of the package."""
    found = {}
    for path in sorted((ROOT / "kith").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree):
    """The relative imports of a module, those that only a checker of types sees left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node
        yield from imports(node)


def graph(known):
    arrows = {}
    for name, path in known.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        arrows[name] = set()
        for node in imports(ast.parse(path.read_text())):
            base = ".".join(package[:len(package) - node.level + 1] + ([node.module] if node.module else []))
            for alias in node.names:
                target = f"{base}.{alias.name}"
                arrows[name].add(target if target in known else base)
    return {name: {t for t in targets if t in known and not name.startswith(t)} for name, targets in arrows.items()}


def circle(arrows):
    """Modules that are left when those that import no other are taken away, again and again."""
    rest = dict(arrows)
    while free := [name for name, targets in rest.items() if not targets & rest.keys()]:
        for name in free:
            del rest[name]
    while free := [name for name in rest if not any(name in targets for targets in rest.values())]:
        for name in free:
            del rest[name]
    return sorted(rest)


def test_circles():
    arrows = graph(modules())
    assert len(arrows) > 40
    assert circle(arrows) == []


def test_finds_one():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}, "e": set()}) == ["b", "c"]
