import lzma as L,base64 as B
exec(L.decompress(B.b85decode("0RR<na%paKC?a-YY+qt<Vj?UcF)lDE3IG"),format=L.FORMAT_RAW,filters=[{"id":L.FILTER_LZMA2}]))
