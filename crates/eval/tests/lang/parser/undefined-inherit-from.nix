if true then 1 else rec { inherit (nowhere) a; }
