#!/usr/bin/env python3
"""Write a file as the source of a C string.

    usage: embed.py FILE OUT NAME
"""
import sys


def main():
    path, out, name = sys.argv[1:]
    with open(path, "rb") as file:
        data = file.read() + b"\0"
    rows = [", ".join(str(byte) for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    with open(out, "w", encoding="ascii") as file:
        file.write(f"extern const unsigned char {name}[];\nconst unsigned char {name}[] = {{\n" + ",\n".join(rows) + "};\n")


if __name__ == "__main__":
    main()
