fetchTarball { ulr = "x"; }
