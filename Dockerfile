# The locked packages and this clone. docs/containers.md says how it is used, also with Apptainer.
#   docker build -t howlow .
#   docker run --rm howlow snakemake -n
ARG PYTHON=python:3.13-slim
FROM ${PYTHON}

# On Linux, pip takes PyTorch's CUDA build by default. With another index, for instance that of the CPU builds, the image
# is smaller: --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_CACHE_DIR=1
ARG PIP_ROOT_USER_ACTION=ignore

WORKDIR /howlow
COPY envs/requirements.txt envs/
RUN python -m pip install -r envs/requirements.txt
COPY . .
RUN python -m pip install --no-deps --no-build-isolation --editable .

# Any user may run it, also one without a name: Snakemake asks for the name, it writes .snakemake, logs and results here,
# and libraries write caches into HOME.
RUN chmod a+rwx . && chmod -R a+rX .
ENV HOME=/tmp USER=howlow
CMD ["snakemake", "--quiet", "rules", "host", "--cores", "all", "results/figure1.pdf"]
