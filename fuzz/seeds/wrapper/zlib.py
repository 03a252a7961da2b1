import zlib,base64
exec(zlib.decompress(base64.b64decode("eJwrKMrMK9FQKkvMiU8qSFLSUTDUM9DkAgBYKwZ+")))
