"""The report of a ban and the study of monitored services, and the dossier of a ban. Reading only: no acts."""
