FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 NETRA_DATA_DIR=/data
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir torch==2.13.0 && pip install --no-cache-dir -r requirements.txt
COPY . .
RUN useradd --system netra && mkdir /data && chown netra /data
USER netra
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "up", "--host", "0.0.0.0"]
