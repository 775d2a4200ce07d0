"""Prints password hashes of real frameworks as JSON. Run by script/golden-hashes."""

import json
import logging
import sys

import argon2.low_level as argon2
import bcrypt
import django.conf
from django.contrib.auth import hashers
from passlib import hash as passlib
from werkzeug import security as werkzeug

logging.disable()  # passlib on bcrypt 4 complains of a missing version, and works
django.conf.settings.configure()

PLAIN = "plum-harbour-41"
ODD = {
    "empty": "",
    "UTF-8": "pässwörd-ß-日本-🔑",
    "NUL": "before\0after",
    "72 bytes": "x" * 71 + "y",
    "80 bytes": "z" * 80,
    "200 bytes": "ab" * 100,
}
vectors = []


def add(name, password, stored, right=None, wrong=None):
    """`right`: other passwords that the framework takes too; `wrong`: near misses."""
    vectors.append(
        {
            "name": name,
            "stored": stored,
            "right": [password, *(right or [])],
            "wrong": [password + "!", *(wrong or [])] if wrong is not False else [],
        }
    )


# Werkzeug, as generate_password_hash writes it, with a salt of our own.
werkzeug.gen_salt = lambda length: "Kf9sLq2XzR7bTn4W"[:length]
for method in ["scrypt", "pbkdf2", "pbkdf2:sha256:1000", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000",
               "scrypt:1024:8:1", "scrypt:64:1:3"]:
    add(f"Werkzeug {method}", PLAIN, werkzeug.generate_password_hash(PLAIN, method),
        wrong=["", "Plum-harbour-41"])
for name, password in ODD.items():
    for method in ["scrypt:256:8:1", "pbkdf2:sha256:100"]:
        add(f"Werkzeug {method} {name}", password, werkzeug.generate_password_hash(password, method))

# Django: the defaults as they are, then cheap.
for hasher in [hashers.PBKDF2PasswordHasher(), hashers.ScryptPasswordHasher(),
               hashers.Argon2PasswordHasher()]:
    if isinstance(hasher, hashers.Argon2PasswordHasher):
        stored = "argon2" + argon2.hash_secret(
            PLAIN.encode(), b"Kf9sLq2XzR7bTn4W", hasher.time_cost, hasher.memory_cost,
            hasher.parallelism, 32, argon2.Type.ID).decode()
        assert hasher.verify(PLAIN, stored)
    else:
        stored = hasher.encode(PLAIN, "Kf9sLq2XzR7bTn4W")
    add(f"Django {hasher.algorithm}", PLAIN, stored, wrong=["", "Plum-harbour-41"])
salt = b"$2b$04$" + b"Kf9sLq2XzR7bTn4WabcdeO"
for name, password in {"plain": PLAIN, **ODD}.items():
    add(f"Django pbkdf2_sha256 {name}", password,
        hashers.PBKDF2PasswordHasher().encode(password, "salt-of-22-characters!", 100))
    add(f"Django pbkdf2_sha1 {name}", password,
        hashers.PBKDF2SHA1PasswordHasher().encode(password, "salt-of-22-characters!", 100))
    add(f"Django scrypt {name}", password,
        hashers.ScryptPasswordHasher().encode(password, "salt-of-22-characters!", n=64, r=8, p=2))
    add(f"Django bcrypt_sha256 {name}", password,
        hashers.BCryptSHA256PasswordHasher().encode(password, salt))
    add(f"Django bcrypt {name}", password, hashers.BCryptPasswordHasher().encode(password, salt),
        wrong=False if len(password) >= 72 else None,
        right=[password[:72], password + "!"] if len(password) >= 72 else None)

# bcrypt itself, in its three spellings.
for version in ["2a", "2b", "2y"]:
    salt = f"$2{version[1]}$04$Kf9sLq2XzR7bTn4WabcdeO".encode()
    for name, password in {"plain": PLAIN, **ODD}.items():
        hashed = bcrypt.hashpw(password.encode(), salt).decode()
        long = len(password.encode()) >= 72
        add(f"bcrypt ${version}$ {name}", password, hashed,
            right=[password[:72], password + "!"] if long else None,
            wrong=[password[:71]] if long else None)
        if long:  # the first 72 bytes are all that counts
            vectors[-1]["wrong"] = [password[:71], "!" + password[1:]]
add("bcrypt at 12", PLAIN, bcrypt.hashpw(PLAIN.encode(), b"$2b$12$Kf9sLq2XzR7bTn4WabcdeO").decode())

# argon2-cffi: every type and version, with and without its defaults.
defaults = {"time_cost": 3, "memory_cost": 65536, "parallelism": 4, "hash_len": 32}
cheap = {"time_cost": 2, "memory_cost": 64, "parallelism": 2, "hash_len": 16}
for kind in [argon2.Type.ID, argon2.Type.I, argon2.Type.D]:
    for version in [19, 16]:
        add(f"argon2-cffi {kind.name} v={version}", PLAIN,
            argon2.hash_secret(PLAIN.encode(), b"Kf9sLq2XzR7bTn4W", type=kind, version=version,
                               **cheap).decode())
add("argon2-cffi, defaults", PLAIN,
    argon2.hash_secret(PLAIN.encode(), b"Kf9sLq2XzR7bTn4W", type=argon2.Type.ID, **defaults).decode())
for name, password in ODD.items():
    add(f"argon2-cffi {name}", password,
        argon2.hash_secret(password.encode(), b"Kf9sLq2XzR7bTn4W", type=argon2.Type.ID, **cheap).decode())

# passlib: PHC strings, or what is nearly one.
for name, scheme in {
    "pbkdf2_sha1": passlib.pbkdf2_sha1.using(rounds=100, salt=b"Kf9sLq2XzR7bTn4W"),
    "pbkdf2_sha256": passlib.pbkdf2_sha256.using(rounds=100, salt=b"\xfb\xff\xbeLq2XzR7bTn4W"),
    "pbkdf2_sha512": passlib.pbkdf2_sha512.using(rounds=100, salt=b"Kf9sLq2XzR7bTn4W"),
    "scrypt": passlib.scrypt.using(rounds=6, block_size=8, parallelism=2, salt=b"Kf9sLq2XzR7bTn4W"),
    "argon2": passlib.argon2.using(rounds=2, memory_cost=64, parallelism=1, salt=b"Kf9sLq2XzR7bTn4W"),
    "bcrypt": passlib.bcrypt.using(rounds=4, salt="Kf9sLq2XzR7bTn4WabcdeO"),
    "bcrypt_sha256": passlib.bcrypt_sha256.using(rounds=4, salt="Kf9sLq2XzR7bTn4WabcdeO"),
}.items():
    for odd, password in {"plain": PLAIN, **ODD}.items():
        if odd == "NUL" and "bcrypt" == name or name == "bcrypt" and len(password.encode()) >= 72:
            continue  # passlib refuses the one; the other is tried with bcrypt itself
        add(f"passlib {name} {odd}", password, scheme.hash(password))

json.dump({"made_with": sys.argv[1:], "vectors": vectors}, sys.stdout, ensure_ascii=True, indent=1)
print()
